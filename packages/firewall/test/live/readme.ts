import { execFileSync } from 'node:child_process'
import { runReadme } from '@puppy/host/testing'
import t from 'tap'
import { cannotRun } from '../support/lab.ts'

t.setTimeout(600_000)

const skip =
  cannotRun ||
  (process.env['TESTBED_GUEST'] === undefined && 'it loads a table of the machine: only in a disposable host')

void t.test('the program of the README loads, tries, meters and removes the table', { skip }, async (t) => {
  const run = await runReadme(t, 'firewall')
  t.match(run, { code: 0, output: /^10000 \d+ \d+$/m }, run.output)
  t.notMatch(execFileSync('/usr/sbin/nft', ['list', 'tables'], { encoding: 'utf8' }), 'puppy')
})
