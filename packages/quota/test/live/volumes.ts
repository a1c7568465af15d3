/** The conformance suites of the fake, on the real tools and real file systems. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createHost } from '@puppy/host'
import { facilityChecks, withEffects } from '@puppy/host/conformance'
import t from 'tap'
import { openQuota } from '../../src/index.ts'
import { quotaConforms } from '../support/conformance.ts'
import { specOf } from '../support/facility.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')
const flags = { user: '-u', group: '-g', project: '-P' } as const
const none = { soft: 'none', hard: 'none' } as const
const first = 70_101
const ids = [first, first + 1, first + 2]

for (const mountPoint of ['/home', '/srv/xfs']) {
  const missing = skip || (existsSync(mountPoint) ? false : `${mountPoint} does not exist`)
  const quota = openQuota(createHost(), mountPoint)

  void t.test(`${mountPoint} conforms`, { skip: missing }, async (t) => {
    await quotaConforms(t, {
      open: (kind) => openQuota(createHost(), mountPoint, { kind }),
      first: 70_001,
      meddle: async (kind, id, limits) => {
        execFileSync('setquota', [flags[kind], String(id), ...limits.map(String), mountPoint])
      },
    })
  })

  const checks = facilityChecks({
    ...specOf(first),
    // Injects a fault at some effects. The test with the fake does so at each.
    faults: 3,
    createWorld: async () => ({
      open: (effects) => openQuota(withEffects(createHost(), effects), mountPoint),
      snapshot: () => quota.report(ids),
      close: async () => void (await quota.ensure(ids.map((id) => ({ id, bytes: none, inodes: none })))),
    }),
    createBrokenWorld: async () => ({
      open: (effects) => openQuota(withEffects(createHost(), effects), '/proc'),
      close: async () => {},
    }),
  })
  // The file system decides what the conformance suite checks; what the facility suite checks is decided before.
  if (mountPoint !== '/home' && process.env['TEST_FULL'] !== '1') continue
  for (const { name, run } of checks) void t.test(`openQuota() on ${mountPoint}: ${name}`, { skip: missing }, run)
}
