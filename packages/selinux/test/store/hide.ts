import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { endedWell, hiding, withoutUsers } from '../../src/store/hide.ts'

const passwd = 'root:x:0:0::/root:/bin/sh\np1:x:1:1::/home/p1:/bin/sh\np11:x:11:11::/home/p11:/bin/sh\n'
const programs = Object.fromEntries(['chcon', 'mount', 'find', 'unshare'].map((name) => [`/bin/${name}`, () => ({})]))
const command = ['/sbin/semodule', '-B'] as const

void t.test('withoutUsers() leaves out these users and nothing else', async (t) => {
  t.equal(withoutUsers(passwd, new Set(['p1', 'x'])), passwd.replace('p1:x:1:1::/home/p1:/bin/sh\n', ''))
  t.equal(withoutUsers(passwd, new Set()), passwd)
  fc.assert(fc.property(fc.string(), (text) => withoutUsers(text, new Set(['nobody-is-called-so'])) === text))
  t.equal(withoutUsers('no colon\n', new Set(['no colon', 'no colo'])), 'no colon\n')
})

void t.test('hiding() runs the command behind another passwd, or as it is when nobody is hidden', async (t) => {
  const host = createFakeHost({ files: { '/etc/passwd': passwd, '/run/x/y': '' }, programs })
  const options = { folder: '/run/x', users: new Set(['p1']) }
  t.equal(await hiding(host, command, { ...options, users: new Set(['p2']) }), command)
  const hidden = await hiding(host, command, options)
  t.equal(
    hidden.join(' '),
    '/bin/unshare --mount --propagation private -- /bin/find / -maxdepth 0 -exec /bin/mount --bind /run/x/passwd /etc/passwd ; -exec /sbin/semodule -B ; -printf ended well\\n',
  )
  t.notMatch(await host.read('/run/x/passwd'), /^p1:/m)
  t.equal(endedWell, 'ended well\n')
  const folder = createFakeHost({ files: { '/etc/passwd': passwd }, programs, live: false })
  t.equal(await hiding(folder, command, options), command, 'a folder has no namespace')
})
