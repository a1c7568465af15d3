import { chmodSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createFiles } from '../src/files.ts'

for (const blocking of [false, true]) {
  void t.test(`read() with blocking: ${blocking} reads a file, and reports why it cannot`, async (t) => {
    const root = t.testdir({ big: '', text: 'größer\n', folder: {} })
    const files = createFiles(root)
    t.equal(await files.read('/text', { blocking }), 'größer\n')
    t.equal(await files.read('/none', { blocking }), undefined)
    t.equal(await files.read('/text/none', { blocking }), undefined)
    await t.rejects(files.read('/folder', { blocking }), { code: 'HOST_READ_FAILED', facts: { errno: 'EISDIR' } })
    truncateSync(`${root}/big`, 100)
    await t.rejects(files.read('/big', { maxBytes: 99, blocking }), { code: 'HOST_FILE_TOO_LARGE' })
    writeFileSync(`${root}/big`, 'x'.repeat(99))
    t.equal((await files.read('/big', { maxBytes: 99, blocking }))?.length, 99)
    // stat(2) reports size 0 for kernel files.
    const kernel = createFiles('/')
    t.equal((await kernel.read('/proc/self/status', { maxBytes: 1_000_000, blocking }))?.startsWith('Name:\t'), true)
    await t.rejects(kernel.read('/proc/self/status', { maxBytes: 9, blocking }), { code: 'HOST_FILE_TOO_LARGE' })
    const descriptors = readdirSync('/proc/self/fd').length
    for (let n = 0; n < 100; n++) await files.read('/folder', { blocking }).catch(() => undefined)
    t.ok(readdirSync('/proc/self/fd').length < descriptors + 50, 'it closes what it opened')
  })
}

void t.test('makeFolder() repairs a changed mode', async (t) => {
  const root = t.testdir({ dir: {} })
  chmodSync(`${root}/dir`, 0o777)
  t.strictSame(await createFiles(root).makeFolder('/dir', { mode: 0o711 }), { changed: true })
  t.equal(statSync(`${root}/dir`).mode & 0o7777, 0o711)
})
