import { chmodSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createFiles } from '../src/files.ts'

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
