import t from 'tap'
import { createTally, failuresOf } from '../../testing/outcome.ts'

/** The output of tap for two files in one process. */
const two = `# test file: a.ts
TAP version 14
# Subtest: one
    ok 1 - x
    1..1
ok 1 - one # time=1ms

# Subtest: two
    ok 1 - y # SKIP needs root
    1..1
ok 2 - two # time=1ms

ok 3 - end of a.ts # time=1ms

# test file: b.ts
not ok 4 - three # time=1ms

ok 5 - end of b.ts # time=1ms

1..5
`

void t.test('createTally() counts the tests of each file, and names skipped assertions', async (t) => {
  const tally = createTally(['a.ts', 'b.ts'])
  tally.write(two)
  const counts = tally.end('exit code 1')
  const of = (file: string) => {
    const { passed, failed, skipped } = counts.get(file)!
    return { passed, failed, skipped }
  }
  t.strictSame(of('a.ts'), { passed: 1, failed: 0, skipped: ['y: needs root'] })
  t.strictSame(of('b.ts'), { passed: 0, failed: 1, skipped: [] })
})

void t.test('createTally() counts a file without a test as failed', async (t) => {
  const tally = createTally(['a.ts', 'b.ts'])
  tally.write('# test file: a.ts\nTAP version 14\nok 1 - one\nok 2 - end of a.ts\n1..2\n')
  const counts = tally.end(undefined)
  t.strictSame([counts.get('a.ts')?.failed, counts.get('b.ts')?.failed], [0, 1])
})

void t.test(
  'createTally() counts a process as failed that ended with an error or printed less than its plan',
  async (t) => {
    const failed = (output: string, ending?: string) => {
      const tally = createTally(['a.ts'])
      tally.write(output)
      return tally.end(ending).get('a.ts')?.failed
    }
    t.equal(failed('TAP version 14\nok 1 - one\n1..1\n'), 0)
    t.equal(failed('TAP version 14\nok 1 - one\n1..1\n', 'SIGKILL'), 1)
    t.equal(failed('TAP version 14\nok 1 - one\n1..2\n'), 1)
    t.equal(failed('', 'exit code 1'), 1)
  },
)

void t.test(
  'failuresOf() returns the failed assertions and the end of the process, or else the end of the output',
  async (t) => {
    const output = `# Subtest: one
    ok 1 - fine
    not ok 2 - broken
      ---
      at: here
      ...

    1..2
not ok 1 - one
  ---
  at: there
  ...

ok 2 - two
# ended with exit code 1
`
    t.equal(
      failuresOf(output),
      '    not ok 2 - broken\n      ---\n      at: here\n      ...\n\nnot ok 1 - one\n  ---\n  at: there\n  ...\n\n# ended with exit code 1',
    )
    t.equal(failuresOf('Error: no\n'), 'Error: no\n')
  },
)
