import t from 'tap'
import { until } from '../src/wait.ts'

void t.test('until() waits until the function returns true, the time is over, or the signal is aborted', async (t) => {
  let asked = 0
  await until(() => ++asked === 3, { operation: 'wait' })
  t.equal(asked, 3)
  await t.rejects(
    until(() => false, { operation: 'freeze', target: '/a' }, { timeout: 5 }),
    {
      code: 'CGROUP_TIMEOUT',
      message: 'Cannot freeze "/a": timed out after 5 ms',
    },
  )
  await t.rejects(
    until(() => false, { operation: 'x', detail: 'why' }, { timeout: 0 }),
    { message: /0 ms; why/ },
  )
  await t.rejects(
    until(() => true, { operation: 'x' }, { signal: AbortSignal.abort() }),
    { name: 'AbortError' },
  )
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 20)
  await t.rejects(
    until(() => false, { operation: 'x' }, { signal: stop.signal }),
    { name: 'AbortError' },
  )
})
