import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createHost } from '../../src/create-host.ts'

t.setTimeout(120_000)

const host = createHost()
const skip =
  process.getuid?.() !== 0
    ? 'it needs root'
    : existsSync('/sys/fs/selinux/enforce') && host.program('chcon') !== undefined
      ? false
      : 'SELinux is not enabled here'

const contextOf = async (path: string) =>
  (await host.run(['/usr/bin/stat', '-c', '%C', path], { touches: 'nothing' })).stdout.trim()

void t.test('replace() keeps an SELinux context that was set by hand', { skip }, async (t) => {
  const folder = mkdtempSync('/etc/puppy-live-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = `${folder}/file`
  writeFileSync(path, 'old')
  t.equal(await contextOf(path), 'unconfined_u:object_r:etc_t:s0')
  await host.run(['/usr/bin/chcon', '-t', 'net_conf_t', '-l', 's0:c7', path], { touches: 'files' })
  const given = await contextOf(path)
  t.match(given, /:net_conf_t:s0:c7$/)
  t.match(await host.replace(path, 'new', { mode: 0o640 }), { changed: true })
  t.equal(await contextOf(path), given)
  t.equal(await host.read(path), 'new')
})

void t.test('replace() creates a new file with the context of its folder', { skip }, async (t) => {
  const folder = mkdtempSync('/etc/puppy-live-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await host.replace(`${folder}/new`, 'x', { mode: 0o600 })
  t.match(await contextOf(`${folder}/new`), /:etc_t:s0$/)
})

void t.test(
  'replaceMany() keeps the context of each file, and creates new files with that of their folder',
  { skip },
  async (t) => {
    const folder = mkdtempSync('/etc/puppy-live-')
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const paths = Array.from({ length: 300 }, (_, n) => `${folder}/f${n}`)
    for (const path of paths) writeFileSync(path, 'old')
    const types = ['net_conf_t', 'shadow_t']
    for (const [n, type] of types.entries()) {
      const some = paths.filter((_, index) => index % 3 === n)
      await host.run(['/usr/bin/chcon', '-t', type, ...some], { touches: 'files' })
    }
    const done = await host.replaceMany([...paths, `${folder}/new`].map((path) => ({ path, text: 'new' })))
    t.equal(done.filter(({ changed }) => changed).length, 301)
    const { stdout } = await host.run(['/usr/bin/stat', '-c', '%C', ...paths, `${folder}/new`], { touches: 'nothing' })
    const seen = stdout.trim().split('\n')
    const expected = [...paths.map((_, index) => types[index % 3] ?? 'etc_t'), 'etc_t']
    t.strictSame(
      seen.map((context) => context.split(':')[2]),
      expected,
    )
  },
)
