import type { ApiErrorCode, Fault } from './errors.ts'
import type { Problem } from './schemas/problem.ts'

/** The HTTP status of each error code. */
export const statusOf: Readonly<Record<ApiErrorCode, number>> = {
  account_limit: 409,
  account_not_found: 404,
  account_unknown: 422,
  account_without_slot: 409,
  database_unavailable: 503,
  domain_invalid: 422,
  domain_limit: 409,
  domain_not_found: 404,
  domain_taken: 409,
  forbidden: 403,
  host_not_found: 404,
  host_silent: 503,
  internal: 500,
  malformed_json: 400,
  method_not_allowed: 405,
  no_host: 503,
  not_found: 404,
  payload_too_large: 413,
  plan_in_use: 409,
  plan_not_found: 404,
  plan_limits: 422,
  plan_ports: 409,
  plan_unknown: 422,
  pool_exhausted: 409,
  pool_max_invalid: 422,
  port_not_of_account: 422,
  request_invalid: 400,
  reseller_unknown: 422,
  ssh_key_invalid: 422,
  too_many_plans: 409,
  unauthorized: 401,
  unsupported_media_type: 415,
}

/**
 * The titles of the HTTP statuses that the API sends. They are those of `STATUS_CODES` of `node:http`.
 *
 * That module is not imported: an `import` of it reads all its names, and one of them loads a whole HTTP client, which takes 10 MB of
 * memory.
 */
export const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

export function makeProblem(
  code: ApiErrorCode,
  detail: string,
  requestId: string,
  errors: readonly Fault[] = [],
): Problem {
  const status = statusOf[code]
  return {
    type: `/docs/errors#${code}`,
    title: titles[status] ?? 'Error',
    status,
    code,
    detail,
    requestId,
    ...(errors.length === 0 ? {} : { errors: [...errors] }),
  }
}
