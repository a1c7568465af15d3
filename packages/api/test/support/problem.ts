import { STATUS_CODES } from 'node:http'
import type { Test } from 'tap'
import type { Database } from '@puppy/state'
import type { ApiError } from '../../src/errors.ts'
import type { Answer } from './app.ts'

/** Returns where an error of an action points to. */
export function pointersOf(error: unknown): readonly string[] {
  return (error as ApiError).faults.map(({ pointer }) => pointer)
}

export interface ExpectedProblem {
  readonly status: number
  readonly code: string
  /** Where the fault is; one of the faults at least. */
  readonly pointer?: string
}

/** The answer is a whole problem, as RFC 9457 and our own promises have it. */
export function isProblem(t: Test, answer: Answer, { status, code, pointer }: ExpectedProblem): void {
  const { body, headers } = answer
  t.equal(answer.status, status, `answers ${status}`)
  t.equal(headers['content-type'], 'application/problem+json')
  t.match(body, { type: `/docs/errors#${code}`, title: STATUS_CODES[status], status, code, detail: /\S/ })
  t.type(headers['request-id'], 'string')
  t.equal(body['requestId'], headers['request-id'], 'names the request')
  if (pointer === undefined) return
  const faults: readonly { readonly pointer: string; readonly detail: string }[] = body['errors'] ?? []
  t.ok(
    faults.some((fault) => fault.pointer === pointer && fault.detail !== ''),
    `points at ${JSON.stringify(pointer)}, not ${JSON.stringify(faults)}`,
  )
}

/** Everything that a caller can change, as text to compare. */
export async function dump(owner: Database): Promise<string> {
  const tables = ['plans', 'accounts', 'domains', 'slots', 'hosts', 'audit', 'keys', 'resellers']
  const rows = tables.map((table) => `select '${table}', to_jsonb(x)::text as row from ${table} x`).join(' union all ')
  return JSON.stringify(await owner.query(`select * from (${rows}) every order by 1, 2`))
}
