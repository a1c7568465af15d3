/**
 * Runs several test files in one process, one after the other: `node tools/testing/batch.ts FILE …`.
 *
 * Starting Node and tap takes longer than most test files. Each file's tests follow a comment that names it.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fileMark } from './outcome.ts'

// tap names the folder of a test by all arguments of the process, and a name has at most 255 bytes. Show it the process id instead.
const files = process.argv.splice(2, Infinity, String(process.pid))
const { default: t } = await import('tap')

/** Milliseconds for all files. The runner ends the process before that. */
const limit = 3_600_000

for (const file of files) {
  t.comment(`${fileMark}${file}`)
  await import(pathToFileURL(resolve(file)).href)
  // A timeout that one file sets would apply to all files.
  t.setTimeout(limit)
  // A file begins its tests without waiting for them. The next one must not be loaded while they run.
  await t.test(`end of ${file}`, async () => {})
}
