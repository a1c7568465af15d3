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

/** tap is found from below the project only. */
const folder = (t: Test, files: Record<string, string>) => {
  const at = t.testdir(files)
  return Object.keys(files).map((name) => join(at, name))
}

const counts = (outcomes: Awaited<ReturnType<typeof runFiles>>) =>
  outcomes.map(({ passed, failed, skipped }) => [passed, failed, skipped.length])

void t.test('runFiles() runs a file and counts what passed, failed and was skipped', async (t) => {
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

void t.test('runFiles() counts a process that dies, and the files that it never reached, as failed', async (t) => {
  const files = folder(t, { 'a.ts': passing, 'b.ts': dying, 'c.ts': passing })
  const outcomes = await runFiles(files, {})
  t.equal(outcomes[0]?.failed, 0)
  t.ok((outcomes[1]?.failed ?? 0) > 0, 'the one that died')
  t.ok((outcomes[2]?.failed ?? 0) > 0, 'the one that was never reached')
})

void t.test('runFiles() counts a file that has no test as failed', async (t) => {
  const files = folder(t, { 'a.ts': 'export {}\n' })
  t.strictSame(counts(await runFiles(files, {})), [[0, 1, 0]])
})

void t.test('runFiles() passes variables on', async (t) => {
  const body = "void t.test('full', async (t) => { t.equal(process.env['TEST_FULL'], '1') })"
  const files = folder(t, { 'a.ts': test(body) })
  t.strictSame(counts(await runFiles(files, { TEST_FULL: '1' })), [[1, 0, 0]])
})

void t.test('runFiles() gives tests in many files with long names a folder', async (t) => {
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

void t.test('runFiles() keeps the time limit of one file from ending the next', async (t) => {
  const short = test("t.setTimeout(400)\nvoid t.test('short', async (t) => { t.ok(true) })")
  const long = test(
    "void t.test('long', async (t) => { await new Promise((end) => setTimeout(end, 1500)); t.ok(true) })",
  )
  t.strictSame(counts(await runFiles(folder(t, { 'a.ts': short, 'b.ts': long }), {})), [
    [1, 0, 0],
    [1, 0, 0],
  ])
})
