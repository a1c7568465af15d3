import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { labelLike } from '../../src/store/label-like.ts'

const programs = { '/bin/chcon': () => ({}) }

void t.test('labelLike() labels where SELinux is on, and nowhere else', async (t) => {
  const on = createFakeHost({ files: { '/sys/fs/selinux/enforce': '1' }, programs })
  await labelLike(on, '/etc/passwd', ['/run/x', '/run/y'])
  t.strictSame(on.commands, [['/bin/chcon', '--reference=/etc/passwd', '--', '/run/x', '/run/y']])
  await labelLike(on, '/etc/passwd', [])
  t.equal(on.commands.length, 1)
  const off = createFakeHost({ programs })
  await labelLike(off, '/etc/passwd', ['/run/x'])
  t.strictSame(off.commands, [])
})
