import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { withoutUsers, writePasswd } from '../../src/store/hide.ts'

const passwd = 'root:x:0:0::/root:/bin/sh\np1:x:1:1::/home/p1:/bin/sh\np11:x:11:11::/home/p11:/bin/sh\n'
const files = { '/etc/passwd': passwd, '/run/x/y': '', '/sys/fs/selinux/enforce': '1' }
const programs = { '/bin/chcon': () => ({}) }

void t.test('withoutUsers() leaves out only these users', async (t) => {
  t.equal(withoutUsers(passwd, new Set(['p1', 'x'])), passwd.replace('p1:x:1:1::/home/p1:/bin/sh\n', ''))
  t.equal(withoutUsers(passwd, new Set()), passwd)
  fc.assert(fc.property(fc.string(), (text) => withoutUsers(text, new Set(['no-such-user'])) === text))
  t.equal(withoutUsers('no colon\n', new Set(['no colon', 'no colo'])), 'no colon\n')
})

void t.test('writePasswd() writes a file with the context of passwd only when a user is hidden', async (t) => {
  const host = createFakeHost({ files, programs })
  const write = (...users: readonly string[]) => writePasswd(host, { folder: '/run/x', users: new Set(users) })
  t.equal(await write('p2'), undefined, 'no such user')
  t.equal(await write(), undefined)
  t.strictSame([await host.list('/run/x'), host.commands], [['y'], []])
  t.equal(await write('p1'), '/run/x/passwd')
  t.equal(await host.read('/run/x/passwd'), withoutUsers(passwd, new Set(['p1'])))
  t.strictSame(host.commands, [['/bin/chcon', '--no-dereference', '--reference=/etc/passwd', '--', '/run/x/passwd']])
  const folder = createFakeHost({ files, programs, live: false })
  t.equal(await writePasswd(folder, { folder: '/run/x', users: new Set(['p1']) }), undefined, 'a folder has no users')
})
