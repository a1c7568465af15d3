import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createHost } from '@puppy/host'
import { openKernel } from '../src/kernel.ts'
import { parseCgroupPath } from '../src/path.ts'

const folder = () => {
  const root = t.testdir({
    sys: { fs: { cgroup: { 'cgroup.procs': '1\n', a: { 'cpu.stat': 'usage_usec 1\n', b: {} } } } },
  })
  return { root, kernel: openKernel(createHost({ root })) }
}
const path = parseCgroupPath

void t.test('openKernel() reads below a folder, and takes what is not there for absent', async (t) => {
  const { root, kernel } = folder()
  t.equal(kernel.read(path('a'), 'cpu.stat'), 'usage_usec 1\n')
  t.equal(kernel.read(path('a'), 'memory.stat'), undefined)
  t.equal(kernel.read(path('x/y'), 'cpu.stat'), undefined)
  t.strictSame(kernel.children(path('')), ['a'])
  t.strictSame(kernel.children(path('x')), [])
  t.equal(kernel.exists(path('a/b')), true)
  t.equal(kernel.exists(path('a/c')), false)
  const long = 'x 1\n'.repeat(60_000)
  writeFileSync(`${root}/sys/fs/cgroup/a/long`, long)
  t.equal(kernel.read(path('a'), 'long'), long)
  mkdirSync(`${root}/sys/fs/cgroup/a/folder`)
  t.throws(() => kernel.read(path('a'), 'folder'), {
    code: 'CGROUP_UNREADABLE',
    facts: { errno: 'EISDIR', target: '/a' },
  })
})

void t.test('openKernel() writes nothing where no kernel looks', async (t) => {
  const { kernel } = folder()
  const unsupported = { code: 'CGROUP_UNSUPPORTED' }
  await t.rejects(kernel.write(path('a'), 'cpu.max', '1'), unsupported)
  t.throws(() => kernel.make(path('c')), unsupported)
  t.throws(() => kernel.remove(path('a')), unsupported)
})

void t.test('openKernel() names the errno of a write', async (t) => {
  const mount = t.testdir({ g: { there: '' } })
  const kernel = openKernel(createHost(), mount)
  const refused = {
    code: 'CGROUP_REFUSED',
    facts: { operation: 'write cpu.max of', target: '/g', value: '7', errno: 'ENOENT' },
  }
  await t.rejects(kernel.write(path('g'), 'cpu.max', '7'), refused)
  await t.rejects(kernel.write(path('gone'), 'cpu.max', '7'), { code: 'CGROUP_GONE' })
  await kernel.write(path('g'), 'there', '7')
  t.equal(kernel.read(path('g'), 'there'), '7')
  t.equal(kernel.make(path('h')), true)
  t.equal(kernel.make(path('h')), false)
  t.throws(() => kernel.make(path('x/y')), { code: 'CGROUP_REFUSED' })
  t.equal(kernel.remove(path('h')), true)
  t.equal(kernel.remove(path('h')), false)
  t.throws(() => kernel.remove(path('g')), { code: 'CGROUP_REFUSED', facts: { errno: 'ENOTEMPTY' } })
  t.equal(
    kernel.watch(path('gone'), 'x', () => {}),
    undefined,
  )
  kernel.watch(path('g'), 'there', () => {})?.()
})
