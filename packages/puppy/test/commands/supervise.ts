import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { keepDoing, shorten } from '../../src/commands/supervise.ts'
import { scratchFolder } from '@puppy/host/testing'

void t.test('shorten() copies and empties a long log, and keeps a short one', async (t) => {
  const log = `${scratchFolder(t)}/api.log`
  t.equal(await shorten(log, 10), false, 'the log does not exist')
  writeFileSync(log, 'x'.repeat(10))
  t.equal(await shorten(log, 10), false)
  writeFileSync(log, 'y'.repeat(11))
  t.equal(await shorten(log, 10), true)
  t.equal(readFileSync(log, 'utf8'), '')
  t.equal(readFileSync(`${log}.1`, 'utf8'), 'y'.repeat(11))
})

void t.test('keepDoing() repeats work that fails until it is aborted, and says why', async (t) => {
  const ending = new AbortController()
  const said = t.capture(process.stderr, 'write', () => true)
  let calls = 0
  await keepDoing('count', 1, ending.signal, async () => {
    calls += 1
    if (calls === 5) ending.abort()
    if (calls !== 3) throw new Error(`failure ${calls}`)
  })
  t.equal(calls, 5)
  t.strictSame(
    said().map(({ args }) => args),
    [1, 2, 4, 5].map((n) => [`Cannot count, and will try again: failure ${n}\n`]),
  )
})

void t.test('keepDoing() does nothing after it is aborted', async (t) => {
  await keepDoing('fail', 1, AbortSignal.abort(), () => Promise.reject(new Error('it was called')))
  t.pass('it resolved')
})
