import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runFiles } from '../../testing/run.ts'

const test = (body: string) => `import t from 'tap'\n${body}\n`
const passing = test("void t.test('passes', async (t) => { t.ok(true) })")
const failing = test("void t.test('fails', async (t) => { t.ok(false) })")
const skipping = test("void t.test('skips', { skip: 'not here' }, async () => {})")
const dying = test(
  "void t.test('passes', async (t) => { t.ok(true) })\nvoid t.test('dies', async () => process.exit(3))",
)

/** Creates test files below the project, because only there they can import tap. */
const folder = (t: Test, files: Record<string, string>) => {
  const at = t.testdir(files)
  return Object.keys(files).map((name) => join(at, name))
}

const counts = (outcomes: Awaited<ReturnType<typeof runFiles>>) =>
  outcomes.map(({ passed, failed, skipped }) => [passed, failed, skipped.length])

void t.test('runFiles() runs a file and counts passed, failed and skipped tests', async (t) => {
  const files = folder(t, { 'a.ts': passing, 'b.ts': failing, 'c.ts': skipping })
  const outcomes = await Promise.all(files.map(async (file) => (await runFiles([file], {}))[0]!))
  t.strictSame(counts(outcomes), [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ])
})

void t.test('runFiles() runs several files in one process and counts each', async (t) => {
  const files = folder(t, { 'a.ts': passing, 'b.ts': failing, 'c.ts': skipping, 'd.ts': passing })
  const outcomes = await runFiles(files, {})
  t.strictSame(
    outcomes.map(({ file }) => file),
    files,
  )
  t.strictSame(counts(outcomes), [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [1, 0, 0],
  ])
})

void t.test('runFiles() counts the file that ends the process, and the files after it, as failed', async (t) => {
  const files = folder(t, { 'a.ts': passing, 'b.ts': dying, 'c.ts': passing })
  const outcomes = await runFiles(files, {})
  t.equal(outcomes[0]?.failed, 0)
  t.ok((outcomes[1]?.failed ?? 0) > 0, 'the file that ended the process')
  t.ok((outcomes[2]?.failed ?? 0) > 0, 'the file after it')
})

void t.test('runFiles() counts a file that has no test as failed', async (t) => {
  const files = folder(t, { 'a.ts': 'export {}\n' })
  t.strictSame(counts(await runFiles(files, {})), [[0, 1, 0]])
})

void t.test('runFiles() passes environment variables', async (t) => {
  const body = "void t.test('full', async (t) => { t.equal(process.env['TEST_FULL'], '1') })"
  const files = folder(t, { 'a.ts': test(body) })
  t.strictSame(counts(await runFiles(files, { TEST_FULL: '1' })), [[1, 0, 0]])
})

void t.test('runFiles() supports t.testdir() in many files with long names', async (t) => {
  const body = test("void t.test('folder', async (t) => { t.testdir({ a: 'x' }) })")
  const names = Array.from({ length: 4 }, (_, index) => `${'long-'.repeat(16)}${index}.ts`)
  const outcomes = await runFiles(folder(t, Object.fromEntries(names.map((name) => [name, body]))), {})
  t.strictSame(counts(outcomes), [
    [1, 0, 0],
    [1, 0, 0],
    [1, 0, 0],
    [1, 0, 0],
  ])
})

void t.test('runFiles() does not apply the timeout of one file to the next', async (t) => {
  const short = test("t.setTimeout(400)\nvoid t.test('short', async (t) => { t.ok(true) })")
  const long = test(
    "void t.test('long', async (t) => { await new Promise((end) => setTimeout(end, 1500)); t.ok(true) })",
  )
  t.strictSame(counts(await runFiles(folder(t, { 'a.ts': short, 'b.ts': long }), {})), [
    [1, 0, 0],
    [1, 0, 0],
  ])
})
