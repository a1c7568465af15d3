import fc from 'fast-check'
import t from 'tap'
import { createFakeHost, renderFakeProcess } from '../../src/fake/index.ts'
import { readCgroup, readCmdline, readStat, readStatus } from '../../src/proc/index.ts'

void t.test('the parsers read what renderFakeProcess() renders', async (t) => {
  const host = createFakeHost({
    files: {
      ...renderFakeProcess({ pid: 7, uid: 10_000 }),
      ...renderFakeProcess({
        pid: 8,
        uid: 10_001,
        name: 'a\nb\\) Z 1',
        state: 'Z',
        parent: 7,
        threads: 3,
        started: 5,
        command: ['sh', '-c', ''],
        group: 'user.slice',
      }),
    },
  })
  const plain = { pid: 7, name: 'sh', state: 'S', parent: 1, threads: 1, alive: true }
  t.match(await readStatus(host, 7), { ...plain, uid: 10_000 })
  t.match(await readStat(host, 7), { ...plain, started: 100 })
  t.strictSame(await readCmdline(host, 7), [])
  t.strictSame(await readCgroup(host, 7), { path: '', removed: false })
  const other = { pid: 8, name: 'a\nb\\) Z 1', state: 'Z', parent: 7, threads: 3, alive: true }
  t.match(await readStatus(host, 8), { ...other, uid: 10_001 })
  t.match(await readStat(host, 8), { ...other, started: 5 })
  t.strictSame(await readCmdline(host, 8), ['sh', '-c', ''])
  t.strictSame(await readCgroup(host, 8), { path: 'user.slice', removed: false })
})

void t.test('renderFakeProcess() accepts any name', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 15 }), async (name) => {
      const host = createFakeHost({ files: renderFakeProcess({ pid: 2, uid: 1, name }) })
      return (await readStatus(host, 2))?.name === name && (await readStat(host, 2))?.name === name
    }),
    { numRuns: 30 },
  )
})
