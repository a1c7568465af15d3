/** What the fake is held against: the real tools on real file systems. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openQuota } from '../../src/index.ts'
import { quotaConforms } from '../support/conformance.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')
const flags = { user: '-u', group: '-g', project: '-P' } as const

for (const mountPoint of ['/home', '/srv/xfs']) {
  const missing = skip || (existsSync(mountPoint) ? false : `there is no ${mountPoint}`)
  const quota = openQuota(createHost(), mountPoint)

  void t.test(`${mountPoint} conforms`, { skip: missing }, async (t) => {
    await quotaConforms(t, {
      quota,
      first: 70_001,
      meddle: async (kind, id, limits) => {
        execFileSync('setquota', [flags[kind], String(id), ...limits.map(String), mountPoint])
      },
    })
  })
}
