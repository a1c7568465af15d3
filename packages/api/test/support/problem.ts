import { STATUS_CODES } from 'node:http'
import type { Test } from 'tap'
import type { Database } from '@puppy/state'
import type { ApiError } from '../../src/errors.ts'
import type { Answer } from './app.ts'

/** Returns the pointers of an error of an action. */
export function pointersOf(error: unknown): readonly string[] {
  return (error as ApiError).faults.map(({ pointer }) => pointer)
}

export interface ExpectedProblem {
  readonly status: number
  readonly code: string
  /** The pointer of at least one of the faults. */
  readonly pointer?: string
}

/** Checks that a response is a complete problem, as RFC 9457 and the API promise. */
export function isProblem(t: Test, answer: Answer, { status, code, pointer }: ExpectedProblem): void {
  const { body, headers } = answer
  t.equal(answer.status, status, `the status is ${status}`)
  t.equal(headers['content-type'], 'application/problem+json')
  t.match(body, { type: `/docs/errors#${code}`, title: STATUS_CODES[status], status, code, detail: /\S/ })
  t.type(headers['request-id'], 'string')
  t.equal(body['requestId'], headers['request-id'], 'the request id is in body and header')
  if (pointer === undefined) return
  const faults: readonly { readonly pointer: string; readonly detail: string }[] = body['errors'] ?? []
  t.ok(
    faults.some((fault) => fault.pointer === pointer && fault.detail !== ''),
    `points at ${JSON.stringify(pointer)}, not ${JSON.stringify(faults)}`,
  )
}

/** Returns everything that a caller can change, as text to compare. */
export async function dump(owner: Database): Promise<string> {
  const tables = ['plans', 'accounts', 'domains', 'slots', 'hosts', 'audit', 'keys', 'resellers']
  const rows = tables.map((table) => `select '${table}', to_jsonb(x)::text as row from ${table} x`).join(' union all ')
  return JSON.stringify(await owner.query(`select * from (${rows}) every order by 1, 2`))
}
