import type { FastifyInstance } from 'fastify'
import { Type } from '@puppy/state/schema'
import { listHosts } from '@puppy/state/store/hosts'
import type { Dependencies } from '../dependencies.ts'
import { problems } from '../schemas/problem.ts'

const tags = ['health']
const config = { access: 'public' } as const
const security: never[] = []

export async function healthRoutes(app: FastifyInstance, { database }: Dependencies): Promise<void> {
  app.get(
    '/livez',
    {
      config,
      schema: {
        operationId: 'getLiveness',
        tags,
        security,
        summary: 'Check whether the API process responds',
        description: 'Returns 200 as long as the process runs. It does not check the database or the agents.',
        response: { 200: Type.Ref('Health'), ...problems },
      },
    },
    async () => ({ status: 'ok', checks: {} }),
  )

  app.get(
    '/readyz',
    {
      config,
      schema: {
        operationId: 'getReadiness',
        tags,
        security,
        summary: 'Check the database and the agents',
        description: 'Returns 200 if the database answers and at least one agent has reported in the last 10 seconds.',
        response: {
          200: Type.Ref('Health'),
          503: { ...Type.Ref('Health'), description: 'A check failed. See `checks`.' },
          ...problems,
        },
      },
    },
    async (_request, reply) => {
      const checks = await look(database)
      const ok = Object.values(checks).every((check) => check === 'ok')
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable', checks })
    },
  )
}

async function look(database: Dependencies['database']): Promise<Record<string, string>> {
  try {
    const hosts = await listHosts(database)
    const agents =
      hosts.length === 0
        ? 'no agent has registered a host yet'
        : hosts.some(({ alive }) => alive)
          ? 'ok'
          : 'no agent has reported in the last 10 seconds'
    return { database: 'ok', agents }
  } catch {
    return { database: 'does not answer', agents: 'unknown' }
  }
}
