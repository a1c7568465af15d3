import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { shorten } from '../../src/commands/supervise.ts'
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
