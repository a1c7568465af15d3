import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { putPool } from '../actions/put-pool.ts'
import { ApiError } from '../errors.ts'
import { askForPlan, findHost, listHosts, type HostRow } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'
import { countSlots, countWaiting, listSlots } from '@puppy/state/store/slots'
import type { Dependencies } from '../dependencies.ts'
import { actorOf } from '../plugins/auth.ts'
import { presentHost, presentPool } from '../present.ts'
import { Slug } from '../schemas/common.ts'
import { problems } from '../schemas/problem.ts'
import type { PoolSpec } from '../schemas/resources.ts'

const tags = ['hosts']
const config = { access: 'admin' } as const
const params = Type.Object({ host: Slug('The name of the host.') })
interface Named {
  readonly Params: Static<typeof params>
}

export async function hostRoutes(app: FastifyInstance, { database, observer }: Dependencies): Promise<void> {
  const find = async (name: string): Promise<HostRow> => {
    const row = await findHost(database, name)
    if (row === undefined)
      throw new ApiError('host_not_found', `Host ${name} does not exist. GET /v1/hosts lists the hosts.`)
    return row
  }
  const poolOf = async (host: HostRow) =>
    presentPool(
      host,
      await countSlots(database, host.name),
      await countWaiting(database, host.name),
      await listSlots(database, host.name),
    )
  const describe = async (host: HostRow) => presentHost(host, await poolOf(host))

  app.get(
    '/v1/hosts',
    {
      config,
      schema: {
        operationId: 'listHosts',
        tags,
        summary: 'List hosts',
        description: 'Returns every host with its facilities and its pool, by name. Requires an admin key.',
        response: { 200: Type.Ref('HostList'), ...problems },
      },
    },
    async () => ({ data: await Promise.all((await listHosts(database)).map(describe)) }),
  )

  app.get<Named>(
    '/v1/hosts/:host',
    {
      config,
      schema: {
        operationId: 'getHost',
        tags,
        summary: 'Get a host',
        description: 'Returns a host with its facilities and its pool. Requires an admin key.',
        params,
        response: { 200: Type.Ref('Host'), ...problems },
      },
    },
    async ({ params: { host } }) => describe(await find(host)),
  )

  app.get<Named>(
    '/v1/hosts/:host/pool',
    {
      config,
      schema: {
        operationId: 'getPool',
        tags,
        summary: 'Get the pool of a host',
        description:
          'Returns the number of slots in each state, and the slots that cannot be used. Requires an admin key.',
        params,
        response: { 200: Type.Ref('Pool'), ...problems },
      },
    },
    async ({ params: { host } }) => poolOf(await find(host)),
  )

  app.put<Named & { Body: PoolSpec }>(
    '/v1/hosts/:host/pool',
    {
      config,
      schema: {
        operationId: 'putPool',
        tags,
        summary: 'Set the size of the pool of a host',
        description:
          'Sets how many slots the host keeps free, and how many it has at most. Idempotent. Requires an admin key.',
        params,
        body: Type.Ref('PoolSpec'),
        response: { 200: Type.Ref('Pool'), ...problems },
      },
    },
    async (request) => {
      await putPool(database, actorOf(request), request.params.host, request.body)
      return poolOf(await find(request.params.host))
    },
  )

  app.get<Named>(
    '/v1/hosts/:host/changes',
    {
      config,
      schema: {
        operationId: 'planChanges',
        tags,
        summary: 'Plan the changes of a host',
        description:
          'Asks the agent for the changes that it would apply now, and waits for them for up to 30 seconds. Requires an admin key.',
        params,
        response: { 200: Type.Ref('Changes'), ...problems },
      },
    },
    async ({ params: { host } }) => {
      const { alive } = await find(host)
      if (!alive)
        throw new ApiError(
          'host_silent',
          `The agent of host ${host} has not reported in the last 10 seconds. Start it: "npm start" on the host.`,
        )
      const number = await database.transaction(async (tx) => {
        await notify(tx, wanted, host)
        return askForPlan(tx, host)
      })
      const made = async () => {
        const row = await find(host)
        return row.planMade >= (number ?? 0) ? row : undefined
      }
      const row = await observer.waitFor(made, 30_000)
      if (row === undefined)
        throw new ApiError(
          'host_silent',
          `The agent of host ${host} did not plan the changes within 30 seconds. Read its log.`,
        )
      return { data: row.changes, plannedAt: new Date().toISOString() }
    },
  )
}
