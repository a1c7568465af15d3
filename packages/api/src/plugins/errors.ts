import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { DatabaseError } from '@puppy/state'
import { ApiError, type ApiErrorCode, type Fault } from '../errors.ts'
import { makeProblem, titles } from '../problems.ts'
import { faultsOf } from './validation.ts'

function sendProblem(
  reply: FastifyReply,
  request: FastifyRequest,
  code: ApiErrorCode,
  detail: string,
  faults: readonly Fault[] = [],
): FastifyReply {
  const problem = makeProblem(code, detail, request.id, faults)
  return reply.code(problem.status).type('application/problem+json').serializer(JSON.stringify).send(problem)
}

/** Sends every error as a problem, including unknown routes, wrong methods and invalid JSON. */
export const errorsPlugin = fastifyPlugin(
  async (app: FastifyInstance) => {
    const routes = collectRoutes(app)
    app.setErrorHandler((error: FastifyError | ApiError | DatabaseError, request, reply) =>
      answerError(error, request, reply),
    )
    app.setNotFoundHandler((request, reply) => {
      const path = request.url.split('?')[0] ?? ''
      const allowed = routes.filter(({ matches }) => matches.test(path)).map(({ method }) => method)
      if (allowed.length === 0)
        return sendProblem(
          reply,
          request,
          'not_found',
          `No route matches the path ${path.slice(0, 200)}. The page /docs lists the routes.`,
        )
      const list = [...new Set(allowed)].toSorted().join(', ')
      return sendProblem(
        reply.header('allow', list),
        request,
        'method_not_allowed',
        `Method ${request.method} is not allowed here. Allowed: ${list}.`,
      )
    })
  },
  { name: 'errors' },
)

function collectRoutes(app: FastifyInstance) {
  const routes: { readonly method: string; readonly matches: RegExp }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    const pattern = url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:[A-Za-z]+/g, '[^/]+')
    for (const one of [method].flat()) routes.push({ method: one, matches: new RegExp(`^${pattern}$`) })
  })
  return routes
}

const partNames: Readonly<Record<string, string>> = { params: 'path', querystring: 'query' }

/** Returns faults in which a parameter has its name and a place in the body its JSON pointer. */
function faultsIn(part: string, faults: readonly Fault[]): readonly Fault[] {
  return part === 'body' ? faults : faults.map((fault) => ({ ...fault, pointer: fault.pointer.replace('/', '') }))
}

/** Answers a request whose path Fastify cannot parse. Such a request reaches no route, and none of the hooks and handlers above. */
export function answerBadPath(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const detail =
    error.code === 'FST_ERR_BAD_URL'
      ? 'The path is not valid percent-encoded UTF-8. Encode a literal percent sign as %25.'
      : 'A path parameter is longer than 300 characters.'
  return sendProblem(reply.header('request-id', request.id), request, 'request_invalid', detail)
}

/** Answers what Node cannot parse as HTTP. Fastify has no request for it, so this writes to the connection itself. */
export function answerBadRequest(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, detail] = unreadable[error.code] ?? [400, 'The request is not valid HTTP.']
  const title = titles[status] ?? 'Error'
  const id = randomUUID()
  const body = JSON.stringify({ ...makeProblem('request_invalid', detail, id), status, title })
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `request-id: ${id}`,
    'connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

const unreadable: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The server did not receive the complete request within 30 seconds. Send it again.'],
  HPE_HEADER_OVERFLOW: [431, 'The path and the headers together are larger than 16 KiB.'],
}

const databaseAway = 'The database does not answer. Try again in a few seconds.'

function answerError(
  error: FastifyError | ApiError | DatabaseError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof ApiError) return sendProblem(reply, request, error.code, error.message, error.faults)
  if (error instanceof DatabaseError)
    return sendProblem(reply.header('retry-after', '1'), request, error.code, databaseAway)
  if (error.validation !== undefined) {
    const part = error.validationContext ?? 'body'
    const detail = `Invalid request ${partNames[part] ?? part}. The field "errors" lists the faults.`
    return sendProblem(reply, request, 'request_invalid', detail, faultsIn(part, faultsOf(error.validation)))
  }
  const [code, detail] = knownFailure(error, request.routeOptions.bodyLimit)
  if (code === 'internal') request.log.error({ err: error }, 'unexpected error')
  return sendProblem(reply, request, code, detail)
}

/** Maps the errors of Fastify, by their codes, to a code of the API and a detail. */
function knownFailure(error: FastifyError, bodyLimit: number | undefined): readonly [ApiErrorCode, string] {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return [
      'payload_too_large',
      `The body is larger than the limit of this route, ${Math.floor((bodyLimit ?? 0) / 1024)} KiB.`,
    ]
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return ['unsupported_media_type', 'Unsupported Content-Type of the body. Send "Content-Type: application/json".']
  if (error.code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return ['malformed_json', 'The body is empty. Send a JSON object.']
  if (
    (error instanceof SyntaxError && error.statusCode === 400) ||
    error.code === 'FST_ERR_CTP_INVALID_JSON_BODY' ||
    error.code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH'
  ) {
    return ['malformed_json', 'The body cannot be parsed as JSON. Check its syntax and its Content-Length.']
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return ['request_invalid', error.message.slice(0, 300)]
  return ['internal', 'Unexpected error. The log of the API has the cause, under the request id of this response.']
}
