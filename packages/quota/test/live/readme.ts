import { createHost } from '@puppy/host'
import { runReadme } from '@puppy/host/testing'
import t from 'tap'
import { openQuota } from '../../src/index.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')

for (const path of ['/home', '/srv/xfs']) {
  void t.test(`the program of the README limits users on ${path}`, { skip }, async (t) => {
    const quota = openQuota(createHost(), path)
    const none = { soft: 'none', hard: 'none' } as const
    t.teardown(() => quota.ensure([10_000, 10_001, 10_002].map((id) => ({ id, bytes: none, inodes: none }))))
    const run = await runReadme(t, 'quota', { "'/home'": `'${path}'` })
    t.match(run, { code: 0, output: /^user 10000 is limited\nuser 10001 is limited\n/ }, run.output)
    const [first, , third] = await quota.report([10_000, 10_001, 10_002])
    t.strictSame([first?.bytes.hard, third?.bytes.hard], ['none', 2 ** 30])
  })
}
