/**
 * Runs several test files in one process, one after the other: `node tools/testing/batch.ts FILE …`.
 *
 * Starting Node and tap takes longer than most test files. Each file's tests follow a comment that names it.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { fileMark } from './outcome.ts'

for (const file of process.argv.slice(2)) {
  t.comment(`${fileMark}${file}`)
  await import(pathToFileURL(resolve(file)).href)
  // A file begins its tests without waiting for them. The next one must not be loaded while they run.
  await t.test(`end of ${file}`, async () => {})
}
