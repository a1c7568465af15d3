import { createHost } from '@puppy/host'
import t from 'tap'
import { parseContext } from '../src/context.ts'
import { decide, isKnown } from '../src/decide.ts'

const source = parseContext('a_u:b_r:c_t:s0')
const question = { source, target: source, class: 'file', act: 'read' }

/** Creates a host with files instead of the kernel's files. A written question is read back as the answer. */
const hostIn = (root: string) => createHost({ root })
void t.test('decide() refuses an unknown class or act, and an invalid answer', async (t) => {
  const perms = { class: { file: { index: '6', perms: { read: '2' } } } }
  const host = hostIn(t.testdir({ sys: { fs: { selinux: { ...perms, access: '' } } } }))
  await t.rejects(decide(host, { ...question, act: 'write' }), { code: 'SELINUX_INVALID' })
  await t.rejects(decide(host, { ...question, class: '../x' }), { code: 'SELINUX_INVALID' })
  await t.rejects(decide(host, question), { code: 'SELINUX_UNREADABLE', message: /a_u:b_r:c_t:s0 read file a_u/ })
})

void t.test('decide() and isKnown() report that SELinux is off', async (t) => {
  const host = hostIn(t.testdir({}))
  await t.rejects(isKnown(host, source), { code: 'SELINUX_DISABLED' })
  await t.rejects(decide(host, question), { code: 'SELINUX_INVALID' })
})
