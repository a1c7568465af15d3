import type { FastifyInstance } from 'fastify'
import { Type } from '@puppy/state/schema'
import { listHosts, type HostRow } from '@puppy/state/store/hosts'
import type { Dependencies } from '../dependencies.ts'
import { problems } from '../schemas/problem.ts'

const contentType = 'text/plain; version=0.0.4; charset=utf-8'

interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  value(host: HostRow): number
}

const metrics: readonly Metric[] = [
  {
    name: 'puppy_host_up',
    type: 'gauge',
    help: 'Whether the agent of the host reported in the last 10 seconds.',
    value: ({ alive }) => Number(alive),
  },
  {
    name: 'puppy_host_complete_reconciliations_total',
    type: 'counter',
    help: 'Complete reconciliations of the host that began with every row observed.',
    value: ({ completeTotal }) => completeTotal,
  },
  {
    name: 'puppy_host_drift_changes',
    type: 'gauge',
    help: 'Changes made by the last complete reconciliation with every row observed. 0: the host was as the database says.',
    value: ({ driftLast }) => driftLast,
  },
  {
    name: 'puppy_host_drift_changes_total',
    type: 'counter',
    help: 'Changes made by all complete reconciliations with every row observed.',
    value: ({ driftTotal }) => driftTotal,
  },
]

export async function metricsRoutes(app: FastifyInstance, { database }: Dependencies): Promise<void> {
  app.get(
    '/metrics',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'getMetrics',
        tags: ['health'],
        summary: 'Get metrics in the text format of Prometheus',
        description: 'Returns the metrics of every host. Requires an admin key.',
        response: {
          200: { description: 'The metrics of every host.', content: { 'text/plain': { schema: Type.String() } } },
          ...problems,
        },
      },
    },
    async (_request, reply) => {
      const hosts = await listHosts(database)
      return reply.header('content-type', contentType).send(renderMetrics(hosts))
    },
  )
}

/**
 * Renders the metrics of hosts. Pure.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function renderMetrics(hosts: readonly HostRow[]): string {
  const lines = metrics.flatMap(({ name, type, help, value }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...hosts.map((host) => `${name}{host="${escaped(host.name)}"} ${value(host)}`),
  ])
  return `${lines.join('\n')}\n`
}

/** Escapes quotes, backslashes and line feeds in the value of a label. */
function escaped(text: string): string {
  return text.replaceAll(/["\\\n]/g, (character) => (character === '\n' ? String.raw`\n` : `\\${character}`))
}
