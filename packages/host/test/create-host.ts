import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, symlinkSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { createHost } from '../src/create-host.ts'
import { HostError } from '../src/errors.ts'
import { hostConforms } from './support/host-conforms.ts'

const [cat, no] = ['/bin/cat', '/bin/false']

void t.test('createHost() conforms on the machine', async (t) => {
  const startProcess = async () => {
    const child = spawn('/bin/sleep', ['60'])
    t.teardown(() => child.kill('SIGKILL'))
    await once(child, 'spawn')
    return child.pid ?? 0
  }
  await hostConforms(t, { host: createHost(), folder: t.testdir(), cat, no, startProcess })
})

void t.test('createHost() conforms below a root folder', async (t) => {
  const host = createHost({ root: t.testdir({ data: {} }) })
  t.equal(host.live, false)
  await hostConforms(t, { host, folder: '/data', cat, no })
})

void t.test(
  'createHost() with a root that does not exist reads nothing, and refuses to write with an error of its own',
  async (t) => {
    const host = createHost({ root: `${t.testdir()}/missing` })
    t.equal(await host.read('/etc/passwd'), undefined)
    t.strictSame(await host.list('/etc'), [])
    const error = {
      code: 'HOST_WRITE_FAILED',
      facts: { errno: 'ENOENT' },
      message: /the root folder .* create it first/,
    }
    const writes: readonly (() => Promise<unknown>)[] = [
      () => host.replace('/x', 'x'),
      () => host.makeFolder('/etc'),
      () => host.remove('/x'),
      () => host.lock('/x'),
    ]
    for (const write of writes) await t.rejects(write(), error)
    const [many] = await host.replaceMany([{ path: '/x', text: 'x' }])
    t.match(many?.error, error)
  },
)

void t.test('every function of a host fails with a HostError, whatever the root and the path are', async (t) => {
  const folder = t.testdir({ file: '', root: { file: '', deep: {} } })
  symlinkSync('loop', `${folder}/loop`)
  symlinkSync('loop', `${folder}/root/loop`)
  symlinkSync('/etc', `${folder}/root/out`)
  const long = 'x'.repeat(300)
  const roots = [`${folder}/missing`, `${folder}/file`, `${folder}/file/x`, `${folder}/loop`, `${folder}/${long}`]
  const paths = ['/file/x', '/loop/x', '/out/x', `/${long}`, `/${long}/x`, '/missing/x', '/deep', '/\u{D800}']
  const cases = [...roots.map((root) => [root, '/a/b']), ...paths.map((path) => [`${folder}/root`, path])]
  for (const [root = '', path = ''] of cases) {
    const host = createHost({ root })
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      read: () => host.read(path),
      readBlocking: () => host.read(path, { blocking: true }),
      readLines: () => host.readLines(path),
      readLink: () => host.readLink(path),
      list: () => host.list(path),
      status: () => host.status(path),
      replace: () => host.replace(path, 'x'),
      replaceMany: () => host.replaceMany([{ path, text: 'x' }]),
      makeFolder: () => host.makeFolder(path),
      lock: async () => (await host.lock(path, { timeout: 0 })).release(),
      visibleLock: async () => (await host.lock(path, { visible: true, timeout: 0 })).release(),
      remove: () => host.remove(path),
    }
    for (const [name, call] of Object.entries(calls)) {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      const title = `${name} of ${path.slice(0, 10)} in ${root.slice(folder.length, folder.length + 10)}`
      if (error !== undefined) t.ok(error instanceof HostError, `${title}: ${inspect(error).slice(0, 200)}`)
      if (error instanceof HostError) t.match(error.code, /^HOST_/)
    }
  }
  const left = readdirSync(folder, { recursive: true }).map(String)
  t.strictSame(
    left.filter((name) => name.includes('.puppy-')),
    [],
    'no temporary file is left',
  )
})

void t.test('createHost() with a root writes nothing outside of it', async (t) => {
  const outside = t.testdir({ root: {}, other: { passwd: 'untouched' } })
  const host = createHost({ root: `${outside}/root` })
  await symlink('../other', `${outside}/root/etc`)
  await t.rejects(host.replace('/etc/passwd', 'x'), { code: 'HOST_PATH_OUTSIDE_ROOT' }, 'through a link')
  await t.rejects(host.remove('/etc/passwd'), { code: 'HOST_PATH_OUTSIDE_ROOT' }, 'remove() through a link')
  t.equal(host.path('/../other/../../passwd'), `${outside}/root/passwd`, '`..` stops at the root')
  t.equal(await createHost().read(`${outside}/other/passwd`), 'untouched')
})

void t.test('createHost() with a root runs no program that changes the machine', async (t) => {
  const host = createHost({ root: t.testdir() })
  await t.rejects(host.run([cat], { touches: 'machine' }), { code: 'HOST_NOT_LIVE' })
  t.match(await host.run([cat], { touches: 'ours', input: 'x' }), { stdout: 'x' })
})

void t.test('createHost() returns a frozen object', async (t) => {
  await mkdir(t.testdir(), { recursive: true })
  t.ok(Object.isFrozen(createHost()))
})
