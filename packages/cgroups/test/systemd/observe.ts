import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeKernel } from '../../src/fake/kernel.ts'
import { dropInPath, notePath, readSlices } from '../../src/systemd/observe.ts'

void t.test('readSlices() reads ours, others’ and the kernel’s', async (t) => {
  const { kernel, place } = createFakeKernel()
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
  const { slices, unfinished } = await readSlices(createFakeHost({ files }), ['user-5.slice', 'user-6.slice'], {
    kernel,
  })
  t.strictSame(
    slices.map(({ foreign: _foreign, ...slice }) => slice),
    [
      { slice: 'user-5.slice', busy: true, limits: {}, text: 'ours' },
      { slice: 'user-6.slice', busy: false, limits: {} },
    ],
  )
  const values = (index: number) =>
    slices[index]?.foreign.map(({ by, property, value }) => `${by} ${property}=${value}`)
  t.strictSame(values(0), ['set-property TasksMax=4', 'file CPUWeight=3', 'file TasksMax=2'])
  t.strictSame(values(1), ['set-property MemoryMax=5', 'file CPUWeight=3'])
  t.equal(unfinished, undefined)
})

void t.test('readSlices() knows what was not finished', async (t) => {
  const { kernel } = createFakeKernel()
  const host = createFakeHost({ files: { [notePath()]: 'user-5.slice\n' } })
  t.strictSame((await readSlices(host, [], { kernel })).unfinished, ['user-5.slice'])
  t.equal(dropInPath('a.slice', { name: '60-x' }), '/etc/systemd/system/a.slice.d/60-x.conf')
  t.equal(notePath({ runFolder: '/run/x' }), '/run/x/unfinished')
})
