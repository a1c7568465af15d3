import { chmodSync, readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createFiles } from '../src/files.ts'

void t.test('replace() touches nothing when text, mode and owner agree', async (t) => {
  const root = t.testdir({ a: 'same' })
  chmodSync(`${root}/a`, 0o644)
  const before = statSync(`${root}/a`, { bigint: true })
  t.strictSame(await createFiles(root).replace('/a', 'same', { mode: 0o644 }), { changed: false })
  const after = statSync(`${root}/a`, { bigint: true })
  t.equal(after.mtimeNs, before.mtimeNs)
  t.equal(after.ino, before.ino)
})

void t.test('replace() puts a file in the place of a link and leaves the target alone', async (t) => {
  const root = t.testdir({ target: 'theirs' })
  symlinkSync('target', `${root}/link`)
  await createFiles(root).replace('/link', 'ours')
  t.equal(await createFiles(root).read('/target'), 'theirs')
  t.match(await createFiles(root).status('/link'), { kind: 'file' })
})

void t.test('replace() that fails leaves the old file and no temporary one', async (t) => {
  const root = t.testdir({ a: 'old' })
  const failing = createFiles(root, async () => {
    throw new Error('no label')
  })
  await t.rejects(failing.replace('/a', 'new'), { code: 'HOST_WRITE_FAILED' })
  t.equal(await createFiles(root).read('/a'), 'old')
  t.strictSame(readdirSync(root), ['a'])
})

void t.test('replace() hands the old file to the relabeller before the rename', async (t) => {
  const root = t.testdir({ a: 'old' })
  const seen: string[] = []
  await createFiles(root, async (from) => void seen.push(from)).replace('/a', 'new')
  await createFiles(root, async (from) => void seen.push(from)).replace('/b', 'new')
  t.strictSame(seen, [`${root}/a`], 'a new file has no label to keep')
})

void t.test('read() refuses a file that grew over the limit, and a device without end', async (t) => {
  const root = t.testdir({ big: '' })
  truncateSync(`${root}/big`, 100)
  await t.rejects(createFiles(root).read('/big', { maxBytes: 99 }), { code: 'HOST_FILE_TOO_LARGE' })
  writeFileSync(`${root}/big`, 'x'.repeat(99))
  t.equal((await createFiles(root).read('/big', { maxBytes: 99 }))?.length, 99)
})

void t.test('makeFolder() repairs a mode that somebody changed', async (t) => {
  const root = t.testdir({ dir: {} })
  chmodSync(`${root}/dir`, 0o777)
  t.strictSame(await createFiles(root).makeFolder('/dir', { mode: 0o711 }), { changed: true })
  t.equal(statSync(`${root}/dir`).mode & 0o7777, 0o711)
})
