import { STATUS_CODES } from 'node:http'
import t from 'tap'
import { makeProblem, statusOf, titles } from '../src/problems.ts'

void t.test('statusOf has an HTTP status for every code', async (t) => {
  for (const [code, status] of Object.entries(statusOf)) {
    t.match(code, /^[a-z]+(_[a-z]+)*$/)
    t.ok(status >= 400 && status < 600 && STATUS_CODES[status] !== undefined, `${code}: ${status}`)
    t.ok(status in titles, `${status} has a title`)
  }
})

void t.test('titles equal those of Node', async (t) => {
  for (const [status, title] of Object.entries(titles)) t.equal(title, STATUS_CODES[status], status)
})

void t.test('makeProblem() makes a problem from its code', async (t) => {
  t.strictSame(makeProblem('domain_taken', 'Another reseller has it.', 'r1'), {
    type: '/docs/errors#domain_taken',
    title: 'Conflict',
    status: 409,
    code: 'domain_taken',
    detail: 'Another reseller has it.',
    requestId: 'r1',
  })
})

void t.test('makeProblem() has `errors` only if faults exist', async (t) => {
  const fault = { pointer: '/plan', detail: 'is required' }
  t.strictSame(makeProblem('request_invalid', 'No', 'r1', [fault]).errors, [fault])
  t.notOk('errors' in makeProblem('request_invalid', 'No', 'r1', []))
})
