import t from 'tap'
import { waitFor } from '../src/wait.ts'

void t.test('waitFor() calls its function until it returns a value', async (t) => {
  let asked = 0
  const answer = await waitFor(async () => (++asked === 3 ? 'yes' : undefined), { operation: 'wait', timeout: 10_000 })
  t.equal(answer, 'yes')
  t.equal(asked, 3)
})

void t.test('waitFor() with a timeout of 0 calls its function once and returns undefined', async (t) => {
  let asked = 0
  t.equal(await waitFor(async () => void asked++, { operation: 'wait', timeout: 0 }), undefined)
  t.equal(asked, 1)
})

void t.test('waitFor() stops when the caller aborts it', async (t) => {
  const controller = new AbortController()
  const waiting = waitFor(async () => controller.abort(), {
    operation: 'wait',
    timeout: 60_000,
    signal: controller.signal,
  })
  await t.rejects(waiting, { code: 'HAPROXY_ABORTED' })
})

void t.test('waitFor() throws the error of its function', async (t) => {
  const failing = waitFor(() => Promise.reject(new Error('no')), { operation: 'wait', timeout: 60_000 })
  await t.rejects(failing, { message: 'no' })
})
