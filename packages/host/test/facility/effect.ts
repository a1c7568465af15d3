import t from 'tap'
import { effectTimeout, runOptions } from '../../src/index.ts'

void t.test('runOptions() passes on the signal and the timeout, or the default', async (t) => {
  t.strictSame(runOptions('nothing'), { touches: 'nothing', timeout: effectTimeout })
  const { signal } = new AbortController()
  t.strictSame(runOptions('machine', { signal, timeout: 5 }, { accept: [0, 1] }), {
    touches: 'machine',
    timeout: 5,
    signal,
    accept: [0, 1],
  })
  t.equal(runOptions('files', { timeout: 0 }).timeout, 0)
  t.strictSame(runOptions('files', {}, { timeout: 7 }), { touches: 'files', timeout: 7 }, 'more wins')
})
