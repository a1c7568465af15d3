import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { SelinuxError } from '../src/errors.ts'
import { pairAt } from '../src/level.ts'
import { assertTree, relabel } from '../src/relabel.ts'

const home = { path: '/home/p10000', user: 'puppy_u', level: pairAt(0), uid: 10_000 }
const hostWith = (find: FakeProgram) =>
  createFakeHost({
    files: { '/home/p10000/x': '', '/sys/fs/selinux/enforce': '1' },
    programs: { '/usr/bin/find': find, '/sbin/restorecon': () => ({}), '/usr/bin/setpriv': () => ({}) },
  })

void t.test('assertTree() refuses system folders and paths that are not plain', async (t) => {
  for (const path of ['/home/p1', '/srv/homes/a', '/var/lib/puppy/keys', '/mnt/x'])
    t.doesNotThrow(() => assertTree(path))
  for (const path of [
    '',
    '/',
    'home/a',
    '/home',
    '/home/',
    '/home/..',
    '/home/../etc',
    '/etc/x',
    '/usr/x',
    '/var',
    '/var/lib',
    '/tmp/x',
    '/home//a',
    '/home/a\0',
    '/proc/1',
  ])
    t.throws(() => assertTree(path), { code: 'SELINUX_INVALID' }, JSON.stringify(path))
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        assertTree(text)
        return text.startsWith('/') && !text.includes('/../')
      } catch (error) {
        return error instanceof SelinuxError
      }
    }),
  )
})

void t.test(
  'relabel() changes the files of the owner, then the rest, and reports a file with another context',
  async (t) => {
    const path = '/home/p10000/x\0'
    const machine = (found: readonly string[]) => {
      const answers = [...found]
      return hostWith(({ args }) => ({ stdout: args.includes('-quit') ? (answers.shift() ?? '') : '' }))
    }
    const host = machine([path, ''])
    t.strictSame(await relabel(host, home), { changed: true })
    const [look, own, rest, again] = host.commands.map((command) => command.join(' '))
    t.match(look, /-quit$/)
    t.match(
      own,
      /^\/usr\/bin\/setpriv --reuid=10000 .* -- \/usr\/bin\/find -P \/home\/p10000 -mindepth 1 .* -uid 10000 .* -exec /,
    )
    t.match(
      rest,
      '! -context puppy_u:*:s0:c0,c1 -execdir chcon --no-dereference --user puppy_u --range s0:c0,c1 -- {} +',
    )
    t.equal(again, look, 'the context is read back')
    await t.rejects(relabel(machine([path, path]), home), {
      code: 'SELINUX_REFUSED',
      message: /\/home\/p10000\/x still has another context/,
    })

    const right = machine([])
    t.strictSame(await relabel(right, home, { types: true }), { changed: false })
    t.equal(right.commands.length, 2, 'find is enough')
    const restore = right.commands.find((command) => command.includes('/sbin/restorecon'))
    t.strictSame(restore?.slice(0, 2), ['/usr/bin/setpriv', '--reuid=10000'], 'never with the rights of this process')
  },
)

void t.test('relabel() refuses system folders, files, invalid users and root', async (t) => {
  const host = hostWith(() => ({}))
  await t.rejects(relabel(host, { ...home, path: '/etc' }), { code: 'SELINUX_INVALID' })
  await t.rejects(relabel(host, { ...home, path: '/home/p10000/x' }), { message: /the path is not a folder/ })
  await t.rejects(relabel(host, { ...home, user: '-x' }), { code: 'SELINUX_INVALID' })
  await t.rejects(relabel(host, { ...home, uid: 0 }), RangeError)
  t.strictSame(host.commands, [])
  const off = createFakeHost({ files: { '/home/p10000/x': '' } })
  await t.rejects(relabel(off, home), { code: 'SELINUX_DISABLED' })
})
