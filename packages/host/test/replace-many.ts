import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createFiles } from '../src/files.ts'
import { isUnfinished } from '../src/replace.ts'

void t.test('replaceMany() replaces many files and writes none that is already right', async (t) => {
  const root = t.testdir()
  const files = createFiles(root)
  const wanted = Array.from({ length: 100 }, (_, n) => ({
    path: `/d${n % 40}/f${n}`,
    text: `text ${n}\n`,
    mode: 0o644,
    makeFolder: true,
  }))
  const first = await files.replaceMany(wanted)
  t.strictSame(
    first.map(({ path, changed, error }) => [path, changed, error]),
    wanted.map(({ path }) => [path, true, undefined]),
  )
  const inode = (path: string) => statSync(`${root}${path}`).ino
  const before = wanted.map(({ path }) => inode(path))
  chmodSync(`${root}/d1/f1`, 0o600)
  writeFileSync(`${root}/d2/f2`, 'text ?\n')
  const again = await files.replaceMany(wanted)
  t.strictSame(
    again.flatMap(({ path, changed }) => (changed ? [path] : [])),
    ['/d1/f1', '/d2/f2'],
    'only the file with a wrong mode and the file with a wrong text',
  )
  t.equal(wanted.filter(({ path }, n) => inode(path) !== before[n]).length, 2)
  t.equal(await files.read('/d2/f2'), 'text 2\n')
  t.strictSame(
    readdirSync(root, { recursive: true }).filter((name) => isUnfinished(String(name).split('/').at(-1) ?? '')),
    [],
  )
})

void t.test('replaceMany() creates readable folders with any umask', async (t) => {
  const root = t.testdir()
  const umask = process.umask(0o077)
  t.teardown(() => process.umask(umask))
  await createFiles(root).replaceMany([{ path: '/a/b/f', text: 'x', makeFolder: true }])
  t.equal(statSync(`${root}/a/b`).mode & 0o777, 0o755)
  t.equal(statSync(`${root}/a/b/f`).mode & 0o777, 0o600)
})

void t.test('replaceMany() passes all replaced files to `relabel` in one call', async (t) => {
  const root = t.testdir({ a: 'old', b: 'old' })
  const seen: string[][] = []
  const files = createFiles(root, async (pairs) => void seen.push(pairs.map(({ from }) => from)))
  await files.replaceMany(['a', 'b', 'new'].map((name) => ({ path: `/${name}`, text: 'new' })))
  t.strictSame(seen, [[`${root}/a`, `${root}/b`]], 'a new file has no context to keep')
})

void t.test('replaceMany() fails only for the file that cannot be relabelled', async (t) => {
  const root = t.testdir({ a: 'old', b: 'old' })
  const files = createFiles(root, async (pairs) => {
    if (pairs.some(({ from }) => from.endsWith('/a'))) throw new Error('no label')
  })
  const done = await files.replaceMany(['a', 'b'].map((name) => ({ path: `/${name}`, text: 'new' })))
  t.strictSame(
    done.map(({ path, changed }) => ({ path, changed })),
    [
      { path: '/a', changed: false },
      { path: '/b', changed: true },
    ],
  )
  t.match(done[0]?.error, { code: 'HOST_WRITE_FAILED', message: /"\/a".*no label/ })
  t.equal(done[1]?.error, undefined)
  t.strictSame([await files.read('/a'), await files.read('/b')], ['old', 'new'])
  t.strictSame(readdirSync(root), ['a', 'b'])
})

void t.test('replaceMany() leaves no temporary file after a failed rename', async (t) => {
  const root = t.testdir({ folder: { x: '' } })
  const [one] = await createFiles(root).replaceMany([{ path: '/folder', text: 'x' }])
  t.match(one, { changed: false, error: { code: 'HOST_WRITE_FAILED' } })
  t.strictSame(readdirSync(root), ['folder'])
})

void t.test('replaceMany() writes nothing outside of the root', async (t) => {
  const inner = t.testdir({ root: { link: t.fixture('symlink', '../out'), in: {} }, out: {} })
  const done = await createFiles(`${inner}/root`).replaceMany([
    { path: '/link/f', text: 'x' },
    { path: 'relative', text: 'x' },
    { path: '/in/f', text: 'x' },
  ])
  t.strictSame(
    done.map(({ path, changed, error }) => [path, changed, error?.code]),
    [
      ['/link/f', false, 'HOST_PATH_OUTSIDE_ROOT'],
      ['relative', false, 'HOST_PATH_OUTSIDE_ROOT'],
      ['/in/f', true, undefined],
    ],
  )
  t.strictSame(readdirSync(`${inner}/out`), [])
})
