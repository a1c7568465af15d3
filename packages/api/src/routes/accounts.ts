import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { removeAccount } from '../actions/delete-account.ts'
import { patchAccount } from '../actions/patch-account.ts'
import { putAccount } from '../actions/put-account.ts'
import { ApiError } from '../errors.ts'
import { findAccount, findAccountsById, listAccounts, type AccountRow } from '@puppy/state/store/accounts'
import { domainsOf } from '@puppy/state/store/domains'
import { findHost, listHosts } from '@puppy/state/store/hosts'
import { findUsage } from '@puppy/state/store/usage'
import { decodeCursor, page } from '../cursor.ts'
import type { Dependencies } from '../dependencies.ts'
import { actorOf, callerOf, resellerOf } from '../plugins/auth.ts'
import { presentAccount, presentUsage, writeStatus } from '../present.ts'
import type { AccountPatch, AccountSpec } from '../schemas/account.ts'
import {
  pageQuery,
  preferHeader,
  resellerQuery,
  Slug,
  strict,
  type Listing,
  type PreferHeader,
} from '../schemas/common.ts'
import { problems } from '../schemas/problem.ts'
import { waitForHost } from '../waiting.ts'

const tags = ['accounts']
/** The largest keys take 160 KiB and the labels 40 KiB. */
const bodyLimit = 256 * 1024
const params = Type.Object({ account: Slug('The name of the account.') })
const querystring = Type.Object(resellerQuery, strict)
const listQuery = Type.Object({ ...pageQuery, ...resellerQuery }, strict)
interface Named {
  readonly Params: Static<typeof params>
  readonly Querystring: Static<typeof querystring>
}
interface Write extends Named {
  readonly Headers: PreferHeader
}
const written = {
  200: Type.Ref('Account'),
  201: Type.Ref('Account'),
  202: { ...Type.Ref('Account'), description: 'Accepted. The host has not observed the write yet.' },
  ...problems,
}

export async function accountRoutes(app: FastifyInstance, dependencies: Dependencies): Promise<void> {
  const { database, observer, required, most } = dependencies
  const whose = (request: FastifyRequest<Named>) => ({
    reseller: resellerOf(request, request.query.reseller),
    name: request.params.account,
  })
  const present = async (request: FastifyRequest, rows: readonly AccountRow[]) => {
    const [domains, hosts] = [
      await domainsOf(
        database,
        rows.map(({ id }) => id),
      ),
      await listHosts(database),
    ]
    const context = { hosts: new Map(hosts.map((row) => [row.name, row])), required, admin: callerOf(request).admin }
    const byAccount = Map.groupBy(domains, ({ account }) => account)
    return rows.map((row) => presentAccount(row, byAccount.get(row.id) ?? [], context))
  }
  const find = async (request: FastifyRequest<Named>) => {
    const who = whose(request)
    const row = await findAccount(database, who)
    if (row === undefined)
      throw new ApiError('account_not_found', `Reseller ${who.reseller} has no account ${who.name}.`)
    return row
  }
  const settled = async (request: FastifyRequest<Write>, id: number): Promise<AccountRow> => {
    const [before] = await findAccountsById(database, [id])
    if (before === undefined) throw new ApiError('account_not_found', 'The account was deleted during this request.')
    if (before.observedGeneration >= before.generation) return before
    await waitForHost(request, observer, await findHost(database, before.host), {
      table: 'accounts',
      id,
      generation: before.generation,
    })
    return (await findAccountsById(database, [id]))[0] ?? before
  }

  app.get<{ Querystring: Listing<Static<typeof listQuery>> }>(
    '/v1/accounts',
    {
      schema: {
        operationId: 'listAccounts',
        tags,
        summary: 'List accounts',
        description:
          'Returns accounts in the order of their creation. An admin key without `reseller` gets the accounts of every reseller.',
        querystring: listQuery,
        response: { 200: Type.Ref('AccountList'), ...problems },
      },
    },
    async (request) => {
      const { limit, cursor, reseller } = request.query
      const all = callerOf(request).admin && reseller === undefined
      const filter = {
        reseller: all ? undefined : resellerOf(request, reseller),
        after: decodeCursor(cursor, 'number') ?? 0,
        limit: limit + 1,
      }
      const { data, ...rest } = page(await listAccounts(database, filter), limit, ({ id }) => id)
      return { data: await present(request, data), ...rest }
    },
  )

  app.get<Named>(
    '/v1/accounts/:account',
    {
      schema: {
        operationId: 'getAccount',
        tags,
        summary: 'Get an account',
        description: 'Returns an account with its spec, its slot and the observed state.',
        params,
        querystring,
        response: { 200: Type.Ref('Account'), ...problems },
      },
    },
    async (request) => (await present(request, [await find(request)]))[0],
  )

  app.put<Write & { Body: AccountSpec }>(
    '/v1/accounts/:account',
    {
      bodyLimit,
      schema: {
        operationId: 'putAccount',
        tags,
        summary: 'Create or replace an account',
        description:
          'Creates the account on a free slot, or replaces the spec of the existing account. Idempotent. ' +
          'Without a free slot the account waits until the agent has built one.',
        params,
        querystring,
        headers: preferHeader,
        body: Type.Ref('AccountSpec'),
        response: written,
      },
    },
    async (request, reply) => {
      const { plan, sshKeys = [], state = 'active', labels = {} } = request.body
      const who = whose(request)
      const spec = { plan, sshKeys, state, labels }
      const { created, id } = await putAccount(database, actorOf(request), who, spec, most.accounts)
      const row = await settled(request, id)
      return reply.code(writeStatus(row, created)).send((await present(request, [row]))[0])
    },
  )

  app.patch<Write & { Body: AccountPatch }>(
    '/v1/accounts/:account',
    {
      bodyLimit,
      schema: {
        operationId: 'patchAccount',
        tags,
        summary: 'Update an account',
        description: 'Applies a JSON merge patch (RFC 7396) to the spec of the account. Absent fields do not change.',
        params,
        querystring,
        headers: preferHeader,
        body: Type.Ref('AccountPatch'),
        response: { 200: written[200], 202: written[202], ...problems },
      },
    },
    async (request, reply) => {
      const { id } = await find(request)
      await patchAccount(database, actorOf(request), whose(request), request.body)
      const row = await settled(request, id)
      return reply.code(writeStatus(row, false)).send((await present(request, [row]))[0])
    },
  )

  app.delete<Write>(
    '/v1/accounts/:account',
    {
      schema: {
        operationId: 'deleteAccount',
        tags,
        summary: 'Delete an account',
        description:
          'Deletes the account and its domains, and releases its slot. The name is free immediately. Idempotent.',
        params,
        querystring,
        headers: preferHeader,
        response: { 204: Type.Null({ description: 'The resource was deleted, or did not exist.' }), ...problems },
      },
    },
    async (request, reply) => {
      const row = await findAccount(database, whose(request))
      const id = await removeAccount(database, actorOf(request), whose(request))
      if (id !== undefined && row !== undefined) {
        await waitForHost(request, observer, await findHost(database, row.host), { table: 'accounts', id })
      }
      return reply.code(204).send()
    },
  )

  app.get<Named>(
    '/v1/accounts/:account/usage',
    {
      schema: {
        operationId: 'getAccountUsage',
        tags,
        summary: 'Get the usage of an account',
        description: 'Returns totals that only grow, and values of the last measurement.',
        params,
        querystring,
        response: { 200: Type.Ref('Usage'), ...problems },
      },
    },
    async (request) => {
      const row = await find(request)
      return presentUsage(row, await findUsage(database, row.id))
    },
  )
}
