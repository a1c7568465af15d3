import { chmodSync, readdirSync, statSync, symlinkSync, watch } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createFiles } from '../src/files.ts'
import { isUnfinished } from '../src/replace.ts'

void t.test('replace() writes nothing when text, mode and owner are already right', async (t) => {
  const root = t.testdir({ a: 'same' })
  chmodSync(`${root}/a`, 0o644)
  const before = statSync(`${root}/a`, { bigint: true })
  t.strictSame(await createFiles(root).replace('/a', 'same', { mode: 0o644 }), { changed: false })
  const after = statSync(`${root}/a`, { bigint: true })
  t.equal(after.mtimeNs, before.mtimeNs)
  t.equal(after.ino, before.ino)
})

void t.test('isUnfinished() accepts only the names of temporary files of replace()', async (t) => {
  const folder = t.testdir()
  const seen = new Set<string>()
  const watcher = watch(folder, (_event, name) => void seen.add(String(name)))
  t.teardown(() => watcher.close())
  for (let turn = 0; turn < 20; turn++) await createFiles(folder).replace('/a', `text ${turn}`)
  for (let turn = 0; turn < 100 && seen.size < 3; turn++) await sleep(20)
  const others = [...seen].filter((name) => name !== 'a')
  t.ok(others.length > 0)
  t.strictSame(
    others.filter((name) => !isUnfinished(name)),
    [],
  )
  for (const name of [
    'a',
    '.puppy-.tmp',
    '.puppy-0123456789ab.tmp~',
    'x.puppy-0123456789ab.tmp',
    '.puppy-0123456789AB.tmp',
  ])
    t.notOk(isUnfinished(name), name)
})

void t.test('replace() replaces a link and does not change its target', async (t) => {
  const root = t.testdir({ target: 'theirs' })
  symlinkSync('target', `${root}/link`)
  await createFiles(root).replace('/link', 'ours')
  t.equal(await createFiles(root).read('/target'), 'theirs')
  t.match(await createFiles(root).status('/link'), { kind: 'file' })
})

void t.test('replace() leaves the old file and no temporary file after a failure', async (t) => {
  const root = t.testdir({ a: 'old' })
  const failing = createFiles(root, async () => {
    throw new Error('no label')
  })
  await t.rejects(failing.replace('/a', 'new'), { code: 'HOST_WRITE_FAILED' })
  t.equal(await createFiles(root).read('/a'), 'old')
  t.strictSame(readdirSync(root), ['a'])
})

void t.test('replace() passes the old file to `relabel` before the rename', async (t) => {
  const root = t.testdir({ a: 'old' })
  const seen: string[] = []
  await createFiles(root, async (pairs) => void seen.push(...pairs.map(({ from }) => from))).replace('/a', 'new')
  await createFiles(root, async (pairs) => void seen.push(...pairs.map(({ from }) => from))).replace('/b', 'new')
  t.strictSame(seen, [`${root}/a`], 'a new file has no label to keep')
})
