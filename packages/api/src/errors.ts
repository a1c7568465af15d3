/** The codes of the API's errors. They are independent of HTTP: `problems.ts` maps each code to a status. */
export type ApiErrorCode =
  | 'account_limit'
  | 'account_not_found'
  | 'account_unknown'
  | 'account_without_slot'
  | 'database_unavailable'
  | 'domain_invalid'
  | 'domain_limit'
  | 'domain_not_found'
  | 'domain_taken'
  | 'forbidden'
  | 'host_not_found'
  | 'host_silent'
  | 'no_host'
  | 'not_found'
  | 'method_not_allowed'
  | 'internal'
  | 'malformed_json'
  | 'payload_too_large'
  | 'plan_in_use'
  | 'plan_limits'
  | 'plan_not_found'
  | 'plan_ports'
  | 'plan_unknown'
  | 'pool_exhausted'
  | 'pool_max_invalid'
  | 'port_not_of_account'
  | 'request_invalid'
  | 'reseller_unknown'
  | 'ssh_key_invalid'
  | 'too_many_plans'
  | 'unauthorized'
  | 'unsupported_media_type'

export interface Fault {
  /** A JSON pointer (RFC 6901) into the request body, or the name of a parameter. */
  readonly pointer: string
  readonly detail: string
}

export class ApiError extends Error {
  static {
    this.prototype.name = 'ApiError'
  }

  readonly code: ApiErrorCode
  readonly faults: readonly Fault[]

  constructor(code: ApiErrorCode, detail: string, faults: readonly Fault[] = []) {
    super(detail)
    this.code = code
    this.faults = faults
  }
}
