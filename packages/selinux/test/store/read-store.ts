import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { readStore, readType, storePaths } from '../../src/store/observe.ts'

const active = '/var/lib/selinux/default/active/modules'
const policy = {
  '/etc/selinux/default/policy/policy.33': 'x',
  '/etc/selinux/default/contexts/files/file_contexts': 'x',
  '/etc/selinux/default/seusers': 'x',
}
const store = (files: Record<string, string>) =>
  readStore(createFakeHost({ files: { ...policy, ...files } }), 'default')

void t.test('readStore() lists what is ours to change', async (t) => {
  const files = { [`${active}/100/base/cil`]: '', [`${active}/400/puppy_a-0/cil`]: '', [`${active}/disabled/x`]: '' }
  t.strictSame(await store(files), {
    type: 'default',
    modules: ['puppy_a-0'],
    disabled: ['x'],
    booleans: {},
    dontaudit: 'silent',
    empty: [],
    interrupted: false,
  })
})

void t.test(
  'readStore() finds files that a power failure left empty, and a transaction that was interrupted',
  async (t) => {
    const base = { [`${active}/100/base/cil`]: '' }
    t.strictSame((await store({ ...base, '/etc/selinux/default/seusers': '' })).empty, ['/etc/selinux/default/seusers'])
    const bare = createFakeHost({ files: base })
    t.strictSame((await readStore(bare, 'default')).empty.length, 3, 'missing is empty')
    const previous = { '/var/lib/selinux/default/previous/modules/100/base/cil': '' }
    t.equal((await store(previous)).interrupted, true)
    t.equal((await store({ ...previous, [`${active}/disabled/x`]: '' })).interrupted, true)
    t.equal((await store({ ...previous, ...base })).interrupted, false, 'a previous one may be kept')
  },
)

void t.test('readStore() reads booleans of the store, and of the kernel that has it', async (t) => {
  const files = {
    ...policy,
    '/var/lib/selinux/default/active/booleans.local': '# x\n\na=1\n',
    '/var/lib/selinux/default/active/disable_dontaudit': '',
  }
  const kernel = { '/sys/fs/selinux/enforce': '1', '/sys/fs/selinux/booleans/a': '0 0' }
  const configured = { '/etc/selinux/config': 'SELINUXTYPE=default\n' }
  const read = (more: Record<string, string>) =>
    readStore(createFakeHost({ files: { ...files, ...more } }), 'default', ['a', 'b'])
  t.match(await read({}), { booleans: { a: true }, dontaudit: 'logged' })
  t.strictSame((await read(kernel)).loaded, undefined, 'another policy is loaded')
  t.strictSame((await read({ ...kernel, ...configured })).loaded, { a: false })
  t.strictSame((await read(configured)).loaded, undefined, 'SELinux is off')
})

void t.test('readType() and storePaths() say when there is no policy, and leave no folder', async (t) => {
  t.equal(await readType(createFakeHost({ files: { '/etc/selinux/config': 'SELINUXTYPE=mls\n' } })), 'mls')
  await t.rejects(readType(createFakeHost()), { code: 'SELINUX_DISABLED' })
  await t.rejects(readStore(createFakeHost(), 'default'), { code: 'SELINUX_DISABLED' })
  t.throws(() => storePaths('../x'), { code: 'SELINUX_INVALID' })
})
