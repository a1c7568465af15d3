import fc from 'fast-check'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { activationSteps, parseConfig, policySteps, readState } from '../src/state.ts'

const config = '# a comment\nSELINUX=enforcing\nSELINUXTYPE=default\nSETLOCALDEFS=0\n'
const kernel = (enforce: string) => ({
  '/sys/fs/selinux/enforce': enforce,
  '/sys/fs/selinux/mls': '1',
  '/sys/fs/selinux/policyvers': '33',
  '/etc/selinux/config': config,
})
const stateOf = (files: Record<string, string>) => readState(createFakeHost({ files }))

void t.test('readState() distinguishes off, permissive and enforcing', async (t) => {
  t.strictSame(await stateOf({}), { mode: 'disabled' })
  t.strictSame(await stateOf({ '/etc/selinux/config': config }), {
    mode: 'disabled',
    type: 'default',
    configured: 'enforcing',
  })
  const on = { type: 'default', configured: 'enforcing', mls: true, policyVersion: 33 }
  t.strictSame(await stateOf(kernel('1')), { mode: 'enforcing', ...on })
  t.strictSame(await stateOf(kernel('0')), { mode: 'permissive', ...on })
})

void t.test('readState() refuses files of the kernel in an unknown form', async (t) => {
  await t.rejects(stateOf(kernel('yes')), { code: 'SELINUX_UNREADABLE', message: /enforce/ })
  await t.rejects(stateOf({ '/sys/fs/selinux/enforce': '1' }), { code: 'SELINUX_UNREADABLE', message: /mls/ })
})

void t.test('parseConfig() uses the last line and refuses a type with a slash', async (t) => {
  t.strictSame(parseConfig('SELINUXTYPE=mls\nSELINUX=Permissive\nSELINUXTYPE=targeted \n'), {
    type: 'targeted',
    mode: 'permissive',
  })
  t.strictSame(parseConfig('#SELINUXTYPE=mls\nSELINUX=maybe\nSELINUXTYPE=..'), {})
  t.strictSame(parseConfig('SELINUXTYPE=../../etc\n'), {})
  fc.assert(fc.property(fc.string(), (text) => !`${parseConfig(`SELINUXTYPE=${text}`).type}`.includes('/')))
})

void t.test('policySteps() and activationSteps() return the commands for Debian', async (t) => {
  const install = 'apt-get install selinux-basics selinux-policy-default'
  t.strictSame(policySteps(createFakeHost()), [install, 'selinux-activate', 'reboot'])
  t.strictSame(policySteps(createFakeHost({ live: false })), [], 'a folder has no kernel')
  t.strictSame(activationSteps(createFakeHost()), ['apt-get install selinux-basics', 'selinux-activate', 'reboot'])
  const host = createFakeHost({ programs: { '/usr/sbin/selinux-activate': () => ({}) } })
  t.strictSame(activationSteps(host, 'permissive'), ['selinux-activate', 'reboot'])
  t.strictSame(activationSteps(host, 'disabled'), [
    'set SELINUX=permissive in /etc/selinux/config',
    'selinux-activate',
    'reboot',
  ])
})
