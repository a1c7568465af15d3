import t from 'tap'
import { canShare, groupFiles, isLongRun, isSelected } from '../../testing/files.ts'

const all = { live: false, parts: [] }

void t.test('isSelected() accepts tests, but not helpers and live tests', async (t) => {
  const rows: readonly (readonly [string, boolean])[] = [
    ['packages/x/test/a.ts', true],
    ['packages/x/test/support/a.ts', false],
    ['packages/x/test/fixtures/a.ts', false],
    ['packages/x/test/facility/conformance.ts', true],
    ['packages/x/test/live/a.ts', false],
  ]
  for (const [file, selected] of rows) t.equal(isSelected(file, all), selected, file)
  t.equal(isSelected('packages/x/test/live/a.ts', { live: true, parts: [] }), true)
  t.equal(isSelected('packages/x/test/a.ts', { live: true, parts: [] }), false)
  t.equal(isSelected('packages/x/test/a.ts', { live: false, parts: ['y', 'x/test'] }), true)
  t.equal(isSelected('packages/x/test/a.ts', { live: false, parts: ['y'] }), false)
})

void t.test('isSelected() accepts only the requested half of the tests around a reboot', async (t) => {
  const [before, after] = ['packages/x/test/live/reboot/before/a.ts', 'packages/x/test/live/reboot/after/a.ts']
  const selected = (file: string, reboot?: string) =>
    isSelected(file, { live: true, parts: [], ...(reboot === undefined ? {} : { reboot }) })
  t.strictSame([selected(before), selected(before, 'before'), selected(before, 'after')], [false, true, false])
  t.strictSame([selected(after), selected(after, 'before'), selected(after, 'after')], [false, false, true])
})

void t.test('isLongRun() accepts only files in the folder long', async (t) => {
  t.equal(isLongRun('packages/x/test/live/long/a.ts'), true)
  t.equal(isLongRun('packages/x/test/live/a.ts'), false)
})

void t.test('canShare() refuses code that affects the whole process', async (t) => {
  const own = [
    't.teardown(() => undefined)\n',
    'void t.beforeEach(() => undefined)\n',
    'const database = await postgres.create(t)\n',
    'const { request } = await startApp(t, database)\n',
    "process.chdir('/')\n",
    'process.kill(pid)\n',
    "process.env['PATH'] = ''\n",
    'process.exitCode = 1\n',
    'const puppy = await createPuppy(t, {})\n',
  ]
  for (const text of own) t.equal(canShare(text), false, text)
  t.equal(canShare("void t.test('x', async (t) => {\n  t.teardown(() => undefined)\n})\n"), true, 'a hook of one test')
  t.equal(canShare('const postgres = await startPostgres(t)\n'), true, 'the runner starts the server')
  t.equal(canShare("const path = process.env['PATH']\n"), true, 'reading the environment')
})

void t.test('groupFiles() runs a file that cannot share alone, and orders groups by weight', async (t) => {
  const file = (path: string, weight: number, shares = true) => ({ path, weight, shares })
  const files = [
    file('packages/x/test/a.ts', 1),
    file('packages/x/test/b.ts', 2),
    file('packages/x/test/c.ts', 3),
    file('packages/y/test/a.ts', 1),
    file('packages/y/test/b.ts', 9, false),
  ]
  t.strictSame(groupFiles(files, 2), [
    ['packages/y/test/b.ts'],
    ['packages/x/test/a.ts', 'packages/x/test/c.ts'],
    ['packages/x/test/b.ts'],
    ['packages/y/test/a.ts'],
  ])
  t.strictSame(groupFiles(files, 2).flat().toSorted(), files.map(({ path }) => path).toSorted(), 'every file once')
})
