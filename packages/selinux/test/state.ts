import fc from 'fast-check'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { parseConfig, readState } from '../src/state.ts'

const config = '# a comment\nSELINUX=enforcing\nSELINUXTYPE=default\nSETLOCALDEFS=0\n'
const kernel = (enforce: string) => ({
  '/sys/fs/selinux/enforce': enforce,
  '/sys/fs/selinux/mls': '1',
  '/sys/fs/selinux/policyvers': '33',
  '/etc/selinux/config': config,
})
const stateOf = (files: Record<string, string>) => readState(createFakeHost({ files }))

void t.test('readState() says off, permissive and enforcing', async (t) => {
  t.strictSame(await stateOf({}), { mode: 'disabled' })
  t.strictSame(await stateOf({ '/etc/selinux/config': config }), { mode: 'disabled', type: 'default' })
  const on = { type: 'default', configured: 'enforcing', mls: true, policyVersion: 33 }
  t.strictSame(await stateOf(kernel('1')), { mode: 'enforcing', ...on })
  t.strictSame(await stateOf(kernel('0')), { mode: 'permissive', ...on })
})

void t.test('readState() refuses a kernel that it does not understand', async (t) => {
  await t.rejects(stateOf(kernel('yes')), { code: 'SELINUX_UNREADABLE', message: /enforce/ })
  await t.rejects(stateOf({ '/sys/fs/selinux/enforce': '1' }), { code: 'SELINUX_UNREADABLE', message: /mls/ })
})

void t.test('parseConfig() takes the last line and no way out of the folder', async (t) => {
  t.strictSame(parseConfig('SELINUXTYPE=mls\nSELINUX=Permissive\nSELINUXTYPE=targeted \n'), {
    type: 'targeted',
    mode: 'permissive',
  })
  t.strictSame(parseConfig('#SELINUXTYPE=mls\nSELINUX=maybe\nSELINUXTYPE=..'), {})
  t.strictSame(parseConfig('SELINUXTYPE=../../etc\n'), {})
  fc.assert(fc.property(fc.string(), (text) => !`${parseConfig(`SELINUXTYPE=${text}`).type}`.includes('/')))
})
