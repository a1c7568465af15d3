import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { watchGroups, type CgroupEvent } from '../../src/usage/events.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

const host = createFakeHost()

void t.test('watchGroups() yields each event once, and the sum to a slow caller', async (t) => {
  const fake = createFakeCgroupfs()
  await fake.cgroupfs.write(rootPath, 'cgroup.subtree_control', '+pids +memory +cpu')
  fake.place('b', 1)
  const events = watchGroups(host, ['a', 'b'], { cgroupfs: fake.cgroupfs, interval: 20 })
  const next = async () => (await events.next()).value as CgroupEvent
  const first = next()
  fake.put('b', 'pids.events', 'max 3\n')
  t.strictSame(await first, { group: 'b', kind: 'pidsRefused', count: 3n })
  fake.put('b', 'pids.events', 'max 4\n')
  fake.put('b', 'pids.events', 'max 9\n')
  t.strictSame(await next(), { group: 'b', kind: 'pidsRefused', count: 6n })
  fake.put('b', 'memory.events', 'max 2\noom_kill 1\n')
  t.strictSame(
    [await next(), await next()],
    [
      { group: 'b', kind: 'oomKilled', count: 1n },
      { group: 'b', kind: 'memoryMax', count: 2n },
    ],
  )
  fake.put('b', 'cpu.stat', 'usage_usec 1\nnr_throttled 5\n')
  t.strictSame(await next(), { group: 'b', kind: 'throttled', count: 5n })
  fake.place('a', 2)
  t.strictSame(await next(), { group: 'a', kind: 'populated' }, 'a new group')
  fake.end(2)
  fake.cgroupfs.remove(parseCgroupPath('a'))
  t.strictSame(await next(), { group: 'a', kind: 'emptied' }, 'a removed group')
  fake.end(1)
  fake.cgroupfs.remove(parseCgroupPath('b'))
  t.strictSame(await next(), { group: 'b', kind: 'emptied' })
  fake.place('b', 3)
  fake.put('b', 'pids.events', 'max 2\n')
  t.strictSame(
    [await next(), await next()],
    [
      { group: 'b', kind: 'populated' },
      { group: 'b', kind: 'pidsRefused', count: 2n },
    ],
    'a group that was created again has new counters',
  )
  await events.return()
})

void t.test('watchGroups() ends when the signal is aborted', async (t) => {
  const stop = new AbortController()
  const seen: CgroupEvent[] = []
  setTimeout(() => stop.abort(), 30)
  for await (const event of watchGroups(host, ['a'], { cgroupfs: createFakeCgroupfs().cgroupfs, signal: stop.signal }))
    seen.push(event)
  t.strictSame(seen, [])
  await t.rejects(watchGroups(host, ['/a']).next(), { code: 'CGROUP_INVALID' })
})
