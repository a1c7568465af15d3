import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups } from '../../src/fake.ts'
import { readSlices } from '../../src/systemd/observe.ts'
import { dropInPath, notePath, oldLinksPath } from '../../src/systemd/paths.ts'

const systemd = { version: 257, bpf: true }

void t.test('readSlices() reads our drop-ins, foreign settings and the limits in the kernel', async (t) => {
  const { cgroupfs, place, programs, files: machine } = createFakeCgroups()
  place('user.slice/user-5.slice/x', 1)
  const files = {
    '/etc/systemd/system/user-5.slice.d/50-puppy.conf': 'ours',
    '/etc/systemd/system/user-5.slice.d/10-before.conf': '[Slice]\nTasksMax=1\n',
    '/etc/systemd/system/user-5.slice.d/90-after.conf': '[Slice]\nTasksMax=2\n',
    '/etc/systemd/system/user-.slice.d/99-all.conf': '[Slice]\nCPUWeight=3\n',
    '/etc/systemd/system.control/user-5.slice.d/50-TasksMax.conf': '[Slice]\nTasksMax=4\n',
    '/run/systemd/system.control/user-6.slice.d/50-MemoryMax.conf': '[Slice]\nMemoryMax=5\n',
    '/run/systemd/system.control/user-7.slice.d/50-MemoryMax.conf': '[Slice]\nMemoryMax=6\n',
  }
  const host = createFakeHost({ files: { ...machine, ...files }, programs })
  const names = ['user-5.slice', 'user-6.slice', '../x.slice', 'user-5.slice']
  const { slices, unfinished, devices } = await readSlices(host, names, { cgroupfs, systemd })
  t.equal(devices, undefined)
  matchWhole(t, slices, [
    { slice: 'user-5.slice', text: 'ours', busy: true, limits: {} },
    { slice: 'user-6.slice', text: undefined, busy: false },
  ])
  const values = (index: number) =>
    slices[index]?.foreign.map(({ by, property, value }) => `${by} ${property}=${value}`)
  t.strictSame(values(0), ['set-property TasksMax=4', 'file CPUWeight=3', 'file TasksMax=2'])
  t.strictSame(values(1), ['set-property MemoryMax=5', 'file CPUWeight=3'])
  t.equal(unfinished, undefined)
})

void t.test('readSlices() reads the records of unfinished work', async (t) => {
  const { cgroupfs, programs, files } = createFakeCgroups()
  const notes = { [notePath()]: 'user-5.slice\n', [oldLinksPath()]: 'user-5.slice 3 4\n' }
  const host = createFakeHost({ files: { ...files, ...notes }, programs })
  const { unfinished, oldLinks, devices } = await readSlices(host, [], { cgroupfs, systemd, devices: true })
  t.strictSame(unfinished, ['user-5.slice'])
  t.strictSame(oldLinks, new Map([['user-5.slice', [3, 4]]]))
  t.equal(devices?.mounts.length, 1)
  t.equal(dropInPath('a.slice', { name: '60-x' }), '/etc/systemd/system/a.slice.d/60-x.conf')
  t.equal(notePath({ runFolder: '/run/x' }), '/run/x/unfinished')
})
