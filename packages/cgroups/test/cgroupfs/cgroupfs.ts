import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createHost } from '@puppy/host'
import { openCgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import { parseCgroupPath } from '../../src/path.ts'

const folder = () => {
  const root = t.testdir({
    sys: { fs: { cgroup: { 'cgroup.procs': '1\n', a: { 'cpu.stat': 'usage_usec 1\n', b: {} } } } },
  })
  return { root, cgroupfs: openCgroupfs(createHost({ root })) }
}
const path = parseCgroupPath

void t.test('openCgroupfs() reads below a folder, and returns undefined for missing files', async (t) => {
  const { root, cgroupfs } = folder()
  t.equal(cgroupfs.read(path('a'), 'cpu.stat'), 'usage_usec 1\n')
  t.equal(cgroupfs.read(path('a'), 'memory.stat'), undefined)
  t.equal(cgroupfs.read(path('x/y'), 'cpu.stat'), undefined)
  t.strictSame(cgroupfs.children(path('')), ['a'])
  t.strictSame(cgroupfs.children(path('x')), [])
  t.equal(cgroupfs.exists(path('a/b')), true)
  t.equal(cgroupfs.exists(path('a/c')), false)
  const long = 'x 1\n'.repeat(60_000)
  writeFileSync(`${root}/sys/fs/cgroup/a/long`, long)
  t.equal(cgroupfs.read(path('a'), 'long'), long)
  mkdirSync(`${root}/sys/fs/cgroup/a/folder`)
  t.throws(() => cgroupfs.read(path('a'), 'folder'), {
    code: 'CGROUP_UNREADABLE',
    facts: { errno: 'EISDIR', target: '/a' },
  })
})

void t.test('openCgroupfs() writes nothing on a host that is only a folder', async (t) => {
  const { cgroupfs } = folder()
  const unsupported = { code: 'CGROUP_UNSUPPORTED' }
  await t.rejects(cgroupfs.write(path('a'), 'cpu.max', '1'), unsupported)
  t.throws(() => cgroupfs.make(path('c')), unsupported)
  t.throws(() => cgroupfs.remove(path('a')), unsupported)
})

void t.test('openCgroupfs() reports the errno of a write', async (t) => {
  const mount = t.testdir({ g: { there: '' } })
  const cgroupfs = openCgroupfs(createHost(), mount)
  const refused = {
    code: 'CGROUP_REFUSED',
    facts: { operation: 'write cpu.max of', target: '/g', value: '7', errno: 'ENOENT' },
  }
  await t.rejects(cgroupfs.write(path('g'), 'cpu.max', '7'), refused)
  await t.rejects(cgroupfs.write(path('gone'), 'cpu.max', '7'), { code: 'CGROUP_GONE' })
  await cgroupfs.write(path('g'), 'there', '7')
  t.equal(cgroupfs.read(path('g'), 'there'), '7')
  t.equal(cgroupfs.make(path('h')), true)
  t.equal(cgroupfs.make(path('h')), false)
  t.throws(() => cgroupfs.make(path('x/y')), { code: 'CGROUP_REFUSED' })
  t.equal(cgroupfs.remove(path('h')), true)
  t.equal(cgroupfs.remove(path('h')), false)
  t.throws(() => cgroupfs.remove(path('g')), { code: 'CGROUP_REFUSED', facts: { errno: 'ENOTEMPTY' } })
  t.equal(
    cgroupfs.watch(path('gone'), 'x', () => {}),
    undefined,
  )
  cgroupfs.watch(path('g'), 'there', () => {})?.()
})
