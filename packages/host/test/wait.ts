import t from 'tap'
import { waitFor } from '../src/wait.ts'

void t.test('waitFor() calls ask() until it returns a value, and returns that value', async (t) => {
  const answers = [undefined, false, undefined, 0]
  let asked = 0
  t.equal(await waitFor(() => answers[asked++]), 0, 'zero is an answer')
  t.equal(asked, 4)
  t.equal(await waitFor(async () => 'at once', { timeout: 0 }), 'at once')
  t.equal(await waitFor(() => null, { timeout: 0 }), null)
})

void t.test('waitFor() returns undefined after the timeout, and calls ask() at least once', async (t) => {
  for (const timeout of [0, -1, 20]) {
    let asked = 0
    t.equal(await waitFor(() => (asked++, false), { timeout, longestPause: 2 }), undefined)
    t.ok(timeout <= 0 ? asked === 1 : asked > 1, `${timeout}: ${asked}`)
  }
})

void t.test('waitFor() calls ask() a last time after the timeout', async (t) => {
  const begun = performance.now()
  const late = () => (performance.now() - begun >= 30 ? 'in time' : undefined)
  t.equal(await waitFor(late, { timeout: 31, longestPause: 1_000_000 }), 'in time')
})

void t.test('waitFor() throws the reason of its signal, also during a pause', async (t) => {
  const reason = new Error('the caller aborted')
  let asked = 0
  const before = waitFor(() => (asked++, true), { signal: AbortSignal.abort(reason) })
  t.equal(await before.catch((error: unknown) => error), reason)
  t.equal(asked, 0, 'it did not ask')
  const controller = new AbortController()
  const during = waitFor(() => (controller.abort(reason), false), { signal: controller.signal, longestPause: 10_000 })
  t.equal(await during.catch((error: unknown) => error), reason)
  const paused = new AbortController()
  const waiting = waitFor(
    () => {
      setImmediate(() => paused.abort(reason))
      return false
    },
    { signal: paused.signal, longestPause: 1_000_000 },
  )
  t.equal(await waiting.catch((error: unknown) => error), reason)
})

void t.test('waitFor() throws errors of ask()', async (t) => {
  await t.rejects(
    waitFor(() => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  )
})
