import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { copyContext } from '../../src/store/copy-context.ts'

const programs = { '/bin/chcon': () => ({}) }

void t.test('copyContext() works where SELinux is on, and does nothing elsewhere', async (t) => {
  const on = createFakeHost({ files: { '/sys/fs/selinux/enforce': '1' }, programs })
  await copyContext(on, '/etc/passwd', ['/run/x', '/run/y'])
  t.strictSame(on.commands, [['/bin/chcon', '--reference=/etc/passwd', '--', '/run/x', '/run/y']])
  await copyContext(on, '/etc/passwd', [])
  t.equal(on.commands.length, 1)
  const off = createFakeHost({ programs })
  await copyContext(off, '/etc/passwd', ['/run/x'])
  t.strictSame(off.commands, [])
})
