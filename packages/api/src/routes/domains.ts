import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { removeDomain } from '../actions/delete-domain.ts'
import { putDomain } from '../actions/put-domain.ts'
import { ApiError } from '../errors.ts'
import { findDomain, findDomainsById, listDomains, type DomainRow } from '@puppy/state/store/domains'
import { findHost, listHosts } from '@puppy/state/store/hosts'
import { decodeCursor, page } from '../cursor.ts'
import type { Dependencies } from '../dependencies.ts'
import { actorOf, callerOf, resellerOf } from '../plugins/auth.ts'
import { presentDomain, writeStatus } from '../present.ts'
import {
  pageQuery,
  plainPattern,
  preferHeader,
  resellerQuery,
  strict,
  type Listing,
  type PreferHeader,
} from '../schemas/common.ts'
import { problems } from '../schemas/problem.ts'
import type { DomainSpec } from '../schemas/resources.ts'
import { waitForHost } from '../waiting.ts'

const tags = ['domains']
const params = Type.Object({
  domain: Type.String({
    minLength: 1,
    maxLength: 253,
    pattern: plainPattern,
    description: 'The host name, in lower case. Names in other scripts are in their xn-- form.',
  }),
})
const querystring = Type.Object(resellerQuery, strict)
const listQuery = Type.Object({ ...pageQuery, ...resellerQuery }, strict)
interface Named {
  readonly Params: Static<typeof params>
  readonly Querystring: Static<typeof querystring>
}
interface Write extends Named {
  readonly Headers: PreferHeader
}

export async function domainRoutes(
  app: FastifyInstance,
  { database, observer, required, most }: Dependencies,
): Promise<void> {
  const present = async (request: FastifyRequest, rows: readonly DomainRow[]) => {
    const hosts = await listHosts(database)
    const context = { hosts: new Map(hosts.map((row) => [row.name, row])), required, admin: callerOf(request).admin }
    return rows.map((row) => presentDomain(row, context))
  }
  const settled = async (request: FastifyRequest<Write>, id: number): Promise<DomainRow> => {
    const [before] = await findDomainsById(database, [id])
    if (before === undefined) throw new ApiError('domain_not_found', 'The domain was deleted during this request.')
    if (before.observedGeneration >= before.generation) return before
    await waitForHost(request, observer, await findHost(database, before.host), {
      table: 'domains',
      id,
      generation: before.generation,
    })
    return (await findDomainsById(database, [id]))[0] ?? before
  }

  app.get<{ Querystring: Listing<Static<typeof listQuery>> }>(
    '/v1/domains',
    {
      schema: {
        operationId: 'listDomains',
        tags,
        summary: 'List domains',
        description:
          'Returns domains in the order of their names. An admin key without `reseller` gets the domains of every reseller.',
        querystring: listQuery,
        response: { 200: Type.Ref('DomainList'), ...problems },
      },
    },
    async (request) => {
      const { limit, cursor, reseller } = request.query
      const all = callerOf(request).admin && reseller === undefined
      const filter = {
        reseller: all ? undefined : resellerOf(request, reseller),
        after: decodeCursor(cursor, 'string') ?? '',
        limit: limit + 1,
      }
      const { data, ...rest } = page(await listDomains(database, filter), limit, ({ name }) => name)
      return { data: await present(request, data), ...rest }
    },
  )

  app.get<Named>(
    '/v1/domains/:domain',
    {
      schema: {
        operationId: 'getDomain',
        tags,
        summary: 'Get a domain',
        description: 'Returns a domain with its target and the observed state.',
        params,
        querystring,
        response: { 200: Type.Ref('Domain'), ...problems },
      },
    },
    async (request) => {
      const reseller = resellerOf(request, request.query.reseller)
      const row = await findDomain(database, request.params.domain)
      if (row?.reseller !== reseller) {
        throw new ApiError('domain_not_found', `Reseller ${reseller} has no domain ${request.params.domain}.`)
      }
      return (await present(request, [row]))[0]
    },
  )

  app.put<Write & { Body: DomainSpec }>(
    '/v1/domains/:domain',
    {
      schema: {
        operationId: 'putDomain',
        tags,
        summary: 'Create or move a domain',
        description:
          'Routes the host name to a port of an account of the same reseller. Idempotent. ' +
          'All names of one registrable domain (one label more than its public suffix) belong to one reseller, the first who has one.',
        params,
        querystring,
        headers: preferHeader,
        body: Type.Ref('DomainSpec'),
        response: {
          200: Type.Ref('Domain'),
          201: Type.Ref('Domain'),
          202: { ...Type.Ref('Domain'), description: 'Accepted. The host has not observed the write yet.' },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const reseller = resellerOf(request, request.query.reseller)
      const { body, params: named } = request
      const { created, id } = await putDomain(database, actorOf(request), reseller, named.domain, body, most.domains)
      const row = await settled(request, id)
      return reply.code(writeStatus(row, created)).send((await present(request, [row]))[0])
    },
  )

  app.delete<Write>(
    '/v1/domains/:domain',
    {
      schema: {
        operationId: 'deleteDomain',
        tags,
        summary: 'Delete a domain',
        description: 'Stops routing the host name. The name is free immediately. Idempotent.',
        params,
        querystring,
        headers: preferHeader,
        response: { 204: Type.Null({ description: 'The resource was deleted, or did not exist.' }), ...problems },
      },
    },
    async (request, reply) => {
      const row = await findDomain(database, request.params.domain)
      const id = await removeDomain(
        database,
        actorOf(request),
        resellerOf(request, request.query.reseller),
        request.params.domain,
      )
      if (id !== undefined && row !== undefined) {
        await waitForHost(request, observer, await findHost(database, row.host), { table: 'domains', id })
      }
      return reply.code(204).send()
    },
  )
}
