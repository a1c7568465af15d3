import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { removePlan } from '../actions/delete-plan.ts'
import { putPlan } from '../actions/put-plan.ts'
import type { PlanSpec } from '@puppy/state'
import { ApiError } from '../errors.ts'
import { findPlan, listPlans } from '@puppy/state/store/plans'
import { decodeCursor, page } from '../cursor.ts'
import type { Dependencies } from '../dependencies.ts'
import { actorOf } from '../plugins/auth.ts'
import { presentPlan } from '../present.ts'
import { pageQuery, Slug, strict, type Listing } from '../schemas/common.ts'
import { problems } from '../schemas/problem.ts'

const tags = ['plans']
const listQuery = Type.Object(pageQuery, strict)
const params = Type.Object({ plan: Slug('The name of the plan.') })
interface Named {
  readonly Params: Static<typeof params>
}
const admin = { access: 'admin' } as const

export async function planRoutes(app: FastifyInstance, { database }: Dependencies): Promise<void> {
  const one = async (name: string) => {
    const row = await findPlan(database, name)
    if (row === undefined)
      throw new ApiError('plan_not_found', `Plan ${name} does not exist. GET /v1/plans lists the plans.`)
    return presentPlan(row)
  }

  app.get<{ Querystring: Listing<Static<typeof listQuery>> }>(
    '/v1/plans',
    {
      schema: {
        operationId: 'listPlans',
        tags,
        summary: 'List plans',
        description: 'Returns plans in the order of their names.',
        querystring: listQuery,
        response: { 200: Type.Ref('PlanList'), ...problems },
      },
    },
    async ({ query }) => {
      const rows = await listPlans(database, {
        after: decodeCursor(query.cursor, 'string') ?? '',
        limit: query.limit + 1,
      })
      const { data, ...rest } = page(rows, query.limit, ({ name }) => name)
      return { data: data.map(presentPlan), ...rest }
    },
  )

  app.get<Named>(
    '/v1/plans/:plan',
    {
      schema: {
        operationId: 'getPlan',
        tags,
        summary: 'Get a plan',
        description: 'Returns a plan with its limits.',
        params,
        response: { 200: Type.Ref('Plan'), ...problems },
      },
    },
    async ({ params: { plan } }) => one(plan),
  )

  app.put<Named & { Body: PlanSpec }>(
    '/v1/plans/:plan',
    {
      config: admin,
      schema: {
        operationId: 'putPlan',
        tags,
        summary: 'Create or replace a plan',
        description:
          'Sets the limits of the plan. The agents then apply them to every account that has the plan. Idempotent. Requires an admin key.',
        params,
        body: Type.Ref('PlanSpec'),
        response: { 200: Type.Ref('Plan'), 201: Type.Ref('Plan'), ...problems },
      },
    },
    async (request, reply) => {
      const { created } = await putPlan(database, actorOf(request), request.params.plan, request.body)
      return reply.code(created ? 201 : 200).send(await one(request.params.plan))
    },
  )

  app.delete<Named>(
    '/v1/plans/:plan',
    {
      config: admin,
      schema: {
        operationId: 'deletePlan',
        tags,
        summary: 'Delete a plan',
        description: 'Deletes the plan. Refused while accounts have it. Idempotent. Requires an admin key.',
        params,
        response: { 204: Type.Null({ description: 'The resource was deleted, or did not exist.' }), ...problems },
      },
    },
    async (request, reply) => {
      await removePlan(database, actorOf(request), request.params.plan)
      return reply.code(204).send()
    },
  )
}
