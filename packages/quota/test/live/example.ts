import t from 'tap'
import { runExample } from '../support/example.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')
for (const path of ['/home', '/srv/xfs']) {
  void t.test(`the example works on ${path}`, { skip }, async (t) => {
    const { status, stdout, stderr } = runExample(path, '71101', '71102')
    t.match(
      stdout,
      /^setquota -u 71101 .*\nsetquota -u 71102 .*\nuser 71101 is limited\nuser 71102 is limited\n71101 0 of 1073741824 ok\n71102 0 of 1073741824 ok\n$/,
    )
    t.equal(status, 0, stderr)
  })
}
