import fc from 'fast-check'
import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, type CgroupPath } from '../../src/path.ts'
import { allParts, parseMemoryEvents, parseUsage, readUsage } from '../../src/usage/usage.ts'
import { fixture } from '../support/fixtures.ts'

void t.test('parseUsage() parses the files of a real group', async (t) => {
  const usage = parseUsage(fixture, new Set(allParts))
  const quiet = (total: bigint) => ({ avg10: 0, avg60: 0, avg300: 0, total })
  t.strictSame(usage, {
    cpu: {
      usageUsec: 1_913_062n,
      userUsec: 1_305_994n,
      systemUsec: 607_067n,
      nrPeriods: 3n,
      nrThrottled: 0n,
      throttledUsec: 0n,
    },
    memory: {
      current: 11_616_256n,
      peak: 14_950_400n,
      swapCurrent: 0n,
      events: { low: 0n, high: 0n, max: 0n, oom: 0n, oomKill: 0n, oomGroupKill: 0n },
    },
    pids: { current: 2n, peak: 4n, refused: 0n },
    io: new Map(),
    pressure: {
      cpu: {
        some: { avg10: 0.16, avg60: 0.07, avg300: 0.01, total: 62_374n },
        full: { avg10: 0.05, avg60: 0.02, avg300: 0, total: 35_718n },
      },
      memory: { some: quiet(0n), full: quiet(0n) },
      io: { some: quiet(6367n), full: quiet(6367n) },
    },
  })
  t.equal(parseUsage(fixture, new Set(['memoryStat'])).memory?.stat?.get('anon'), 9_576_448n)
})

void t.test('parseUsage() omits missing values and never returns 0 for them', async (t) => {
  t.strictSame(
    parseUsage(() => undefined, new Set([...allParts, 'memoryStat'])),
    {},
  )
  t.strictSame(
    parseUsage((file) => (file === 'pids.current' ? '3\n' : undefined), new Set(allParts)),
    { pids: { current: 3n } },
  )
  const io = parseUsage(
    () => '254:0 rbytes=18446744073709551615 wbytes=0 rios=53 wios=-1 dbytes=0 dios=0\n8:0 rbytes=1\n',
    new Set(['io']),
  ).io
  t.strictSame(io, new Map([['254:0', { rbytes: 2n ** 64n - 1n, wbytes: 0n, rios: 53n, wios: 0n }]]))
})

void t.test('parseUsage() and parseMemoryEvents() accept any text', async (t) => {
  t.equal(parseMemoryEvents(undefined), undefined)
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('usage_usec', ' ', '1', '=', '\n', 'max', 'some avg10') }),
  )
  fc.assert(fc.property(text, (garbage) => void parseUsage(() => garbage, new Set([...allParts, 'memoryStat']))))
})

void t.test('readUsage() reads only the parts asked for, and has undefined for groups that do not exist', async (t) => {
  const root = t.testdir({
    sys: { fs: { cgroup: { a: { 'cpu.stat': fixture('cpu.stat') ?? '', 'pids.current': '1\n' }, empty: {} } } },
  })
  const usages = await readUsage(createHost({ root }), ['a', 'empty', 'gone'], { parts: ['cpu'] })
  t.match(usages.get('a'), { cpu: { usageUsec: 1_913_062n } })
  t.strictSame(Object.keys(usages.get('a') ?? {}), ['cpu'])
  t.strictSame(usages.get('empty'), {})
  t.ok(usages.has('gone'))
  t.equal(usages.get('gone'), undefined)
  await t.rejects(readUsage(createHost({ root }), ['../a']), { code: 'CGROUP_INVALID' })
})

void t.test('readUsage() does not read files of controllers that are not enabled', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  const seen: string[] = []
  const counting = {
    ...cgroupfs,
    read: (path: CgroupPath, file: string) => {
      seen.push(`${path} ${file}`)
      return cgroupfs.read(path, file)
    },
  }
  for (const [n, path] of ['a/x', 'a/y'].entries()) place(path, n + 1)
  for (const path of ['', 'a']) await cgroupfs.write(parseCgroupPath(path), 'cgroup.subtree_control', '+memory')
  const usages = await readUsage(createFakeHost(), ['a/x', 'a/y'], {
    cgroupfs: counting,
    parts: ['memory', 'pids', 'io'],
  })
  t.match(usages.get('a/x'), { memory: { current: 0n } })
  t.notOk(seen.some((one) => / (pids|io)\./.test(one)))
  t.equal(seen.filter((one) => one === 'a cgroup.subtree_control').length, 1, 'read once for all groups')
})
