import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { readStore, readType } from '../../src/store/read-store.ts'

const active = '/var/lib/selinux/default/active/modules'
const policy = {
  '/etc/selinux/default/policy/policy.33': 'x',
  '/etc/selinux/default/contexts/files/file_contexts': 'x',
  '/etc/selinux/default/seusers': 'x',
}
const store = (files: Record<string, string>) =>
  readStore(createFakeHost({ files: { ...policy, ...files } }), 'default')

void t.test('readStore() lists modules of priority 400', async (t) => {
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

void t.test('readStore() reports empty files and an interrupted transaction', async (t) => {
  const base = { [`${active}/100/base/cil`]: '' }
  t.strictSame((await store({ ...base, '/etc/selinux/default/seusers': '' })).empty, ['/etc/selinux/default/seusers'])
  const bare = createFakeHost({ files: base })
  t.strictSame((await readStore(bare, 'default')).empty.length, 3, 'a missing file counts as empty')
  const previous = { '/var/lib/selinux/default/previous/modules/100/base/cil': '' }
  t.equal((await store(previous)).interrupted, true)
  t.equal((await store({ ...previous, [`${active}/disabled/x`]: '' })).interrupted, true)
  t.equal((await store({ ...previous, ...base })).interrupted, false, 'the tools may keep a previous store')
  const before = '/var/lib/selinux/default/previous'
  t.strictSame(
    await store({
      ...previous,
      [`${before}/modules/400/puppy_a-0/cil`]: '',
      [`${before}/modules/disabled/y`]: '',
      [`${before}/booleans.local`]: 'a=1\n',
      [`${before}/disable_dontaudit`]: '',
      [`${active}/disabled/x`]: '',
    }),
    {
      type: 'default',
      modules: ['puppy_a-0'],
      disabled: ['y'],
      booleans: { a: true },
      dontaudit: 'logged',
      empty: [],
      interrupted: true,
    },
    'the previous store is read',
  )
})

void t.test('readStore() reads booleans of the store, and of the kernel when the policy is loaded', async (t) => {
  const files = {
    ...policy,
    '/var/lib/selinux/default/active/booleans.local': '# x\n\na=1\n',
    '/var/lib/selinux/default/active/disable_dontaudit': '',
  }
  const kernel = { '/sys/fs/selinux/enforce': '1', '/sys/fs/selinux/booleans/a': '0 0' }
  const configured = { '/etc/selinux/config': 'SELINUXTYPE=default\n' }
  const read = (more: Record<string, string>) =>
    readStore(createFakeHost({ files: { ...files, ...more } }), 'default', ['a', 'b', '../x'])
  t.match(await read({}), { booleans: { a: true }, dontaudit: 'logged' })
  t.strictSame((await read(kernel)).loaded, undefined, 'another policy is loaded')
  t.strictSame((await read({ ...kernel, ...configured })).loaded, { a: false })
  t.strictSame((await read(configured)).loaded, undefined, 'SELinux is off')
})

void t.test('readType() and readStore() report that no policy is installed, with steps', async (t) => {
  t.equal(await readType(createFakeHost({ files: { '/etc/selinux/config': 'SELINUXTYPE=mls\n' } })), 'mls')
  const failed = { code: 'SELINUX_DISABLED', message: /apt-get install selinux-basics selinux-policy-default/ }
  await t.rejects(readType(createFakeHost()), failed)
  await t.rejects(readStore(createFakeHost(), 'default'), failed)
})
