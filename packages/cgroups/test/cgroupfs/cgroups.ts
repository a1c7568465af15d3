import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { openCgroups } from '../../src/cgroupfs/cgroups.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { conforms, fakeGroups } from '../support/world.ts'

function tree() {
  const fake = createFakeCgroupfs()
  return { ...fake, cgroups: openCgroups(createFakeHost(), { cgroupfs: fake.cgroupfs }) }
}

void t.test('create() creates parents, enables controllers, and is idempotent', async (t) => {
  const { cgroups } = tree()
  t.strictSame(await cgroups.create('a/b', { pids: { max: 5 }, memory: { max: 8192 } }), { changed: true })
  t.strictSame(await cgroups.create('a/b', { pids: { max: 5 } }), { changed: false })
  t.match(cgroups.limits('a/b'), { pids: { max: 5 }, memory: { max: 8192 } })
  t.strictSame(cgroups.groups('a'), ['a', 'a/b'])
  t.strictSame(await cgroups.limit('a/b', { pids: { max: 6 } }), ['pids.max'])
  await t.rejects(cgroups.limit('a/b', { cpu: { max: 1 } }), { code: 'CGROUP_REFUSED', facts: { errno: 'ENOENT' } })
  await t.rejects(cgroups.limit('gone', { pids: { max: 6 } }), { code: 'CGROUP_GONE' })
  t.strictSame(cgroups.groups('gone'), [])
  t.equal(cgroups.exists('a/b'), true)
})

void t.test('create() removes the groups that it created when it fails', async (t) => {
  const { cgroups, place } = tree()
  await t.rejects(cgroups.create('x/y', { hugetlb: { '2MB': 1 } }), {
    code: 'CGROUP_REFUSED',
    facts: { operation: 'enable the controller', target: 'hugetlb', detail: /does not have this controller/ },
  })
  t.equal(cgroups.exists('x'), false)
  place('p', 4)
  await cgroups.create('r/s', { memory: { max: 8192 } })
  place('r', 5)
  await t.rejects(cgroups.add('r', 4), { code: 'CGROUP_BUSY' }, 'a group that enables memory cannot have processes')
})

void t.test('create() names the processes of a parent group that blocks it', async (t) => {
  const { cgroups, place } = tree()
  await cgroups.create('p', { memory: { max: 8192 } })
  place('p', 42)
  await t.rejects(cgroups.create('p/q', { memory: { max: 4096 } }), {
    code: 'CGROUP_BUSY',
    message: /itself has processes \(42\)/,
  })
  t.strictSame(cgroups.groups('p'), ['p'])
})

void t.test('remove() kills processes only with kill', async (t) => {
  const { cgroups, place } = tree()
  t.strictSame(await cgroups.remove('gone'), { changed: false })
  place('a/b', 7)
  await t.rejects(cgroups.remove('a'), { code: 'CGROUP_BUSY', message: /\(7\)/ })
  t.strictSame(await cgroups.remove('a', { kill: true }), { changed: true })
  t.equal(cgroups.exists('a'), false)
})

void t.test('the other functions of openCgroups() freeze, thaw, move and kill', async (t) => {
  const { cgroups, place } = tree()
  place('a', 7)
  place('b', 8)
  await cgroups.freeze('a')
  t.strictSame(cgroups.state('a'), { populated: true, frozen: true })
  await cgroups.thaw('a')
  await cgroups.add('a', 8)
  t.equal(await cgroups.moveAll('a', 'b'), 2)
  t.strictSame(cgroups.processes('b'), [7, 8])
  await cgroups.kill('b')
  t.strictSame(cgroups.processes('b', { recursive: true }), [])
  t.equal(await cgroups.groupOf(1), undefined)
  t.throws(() => cgroups.limits('/a'), { code: 'CGROUP_INVALID' })
  t.throws(() => cgroups.kill(''), { code: 'CGROUP_INVALID', message: /the whole machine/ })
})

conforms('groups', fakeGroups())
