import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups } from '../../src/fake.ts'
import { requireSystemd, partition } from '../../src/systemd/partition.ts'

void t.test('requireSystemd() wants one that knows every property', async (t) => {
  const host = (version: number) => {
    const { programs, files, cgroupfs } = createFakeCgroups({ version })
    return { host: createFakeHost({ programs, files }), cgroupfs }
  }
  const [old, young] = [host(251), host(252)]
  await t.rejects(requireSystemd(old.host, old.cgroupfs), { code: 'CGROUP_UNSUPPORTED', message: /systemd 251/ })
  t.match(await requireSystemd(young.host, young.cgroupfs), { version: 252 })
})

void t.test('partition() gives each bad slice its own reason', async (t) => {
  const bind = { allow: [80] }
  const slices = [
    { slice: 'a.slice', limits: { pids: { max: 1 } }, bind },
    { slice: '../b.slice', limits: {} },
    { slice: 'c.slice', limits: {}, bind: { allow: [0] } },
    { slice: 'd.slice', limits: { pids: { max: 1.5 } } },
    { slice: 'e.slice', limits: {} },
    { slice: 'e.slice', limits: {} },
  ]
  const { good, bad } = await partition(createFakeHost(), slices, { version: 257, bpf: false })
  t.strictSame(good, [{ slice: 'a.slice', limits: { pids: { max: 1 } } }], 'without walls that cannot be built')
  t.strictSame([...bad.keys()], ['../b.slice', 'c.slice', 'd.slice', 'e.slice'])
  t.match(bad.get('e.slice'), { code: 'CGROUP_INVALID', message: /given twice/ })
  const [first] = (await partition(createFakeHost(), slices.slice(0, 1), { version: 257, bpf: true })).good
  t.strictSame(first?.bind, bind)
})
