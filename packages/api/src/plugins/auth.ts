import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { Database } from '@puppy/state'
import { ApiError } from '../errors.ts'
import type { Actor } from '@puppy/state/store/audit'
import { findCaller, type Caller } from '@puppy/state/store/keys'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null
  }
  interface FastifyContextConfig {
    /** Who may call the route. Absent: a caller with a key. `public`: every caller. `admin`: a caller with an admin key. */
    access?: 'public' | 'admin'
  }
}

/** Identifies the caller of each request before the body is read. */
export const authPlugin = fastifyPlugin(
  async (app: FastifyInstance, { database }: { readonly database: Database }) => {
    app.decorateRequest('caller', null)
    app.addHook('onRequest', async (request, reply) => {
      const { access } = request.routeOptions.config
      if (access === 'public' || request.is404) return
      request.caller = await identify(database, request).catch((error: unknown) => {
        if (error instanceof ApiError && error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer')
        throw error
      })
      if (access === 'admin' && !request.caller.admin)
        throw new ApiError('forbidden', 'This route requires an admin key.')
    })
  },
  { name: 'auth', dependencies: ['errors'] },
)

const noKey = 'No API key found in the Authorization header. Send it as "Authorization: Bearer puppy_<id>_<secret>".'

async function identify(database: Database, request: FastifyRequest): Promise<Caller> {
  const [, key] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (key === undefined) throw new ApiError('unauthorized', noKey)
  const caller = await findCaller(database, key)
  if (caller === undefined) throw new ApiError('unauthorized', 'Invalid, expired or revoked API key.')
  return caller
}

/** Returns the caller of a route that is not public. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ApiError('unauthorized', noKey)
  return request.caller
}

export function actorOf(request: FastifyRequest): Actor {
  return { caller: callerOf(request), address: request.ip, requestId: request.id }
}

/** Returns the reseller whose resources a request is about: the caller's own (`root` for an admin), or the one that an admin names. */
export function resellerOf(request: FastifyRequest, named: string | undefined): string {
  const caller = callerOf(request)
  if (named === undefined || named === caller.reseller) return caller.reseller
  if (!caller.admin) {
    throw new ApiError('forbidden', 'Only an admin key may name another reseller. Omit the parameter "reseller".')
  }
  return named
}
