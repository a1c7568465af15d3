import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { createFakeQuota } from '../src/fake.ts'
import { openQuota } from '../src/index.ts'
import { specOf } from './support/facility.ts'

for (const fileSystem of ['ext4', 'xfs'] as const) {
  const checks = facilityChecks({
    ...specOf(70_001),
    createWorld: async () => {
      const { programs, files } = createFakeQuota({ fileSystem })
      const host = createFakeHost({ programs, files })
      const report = ['/usr/sbin/repquota', '-u', '-v', '-n', '-p', '-O', 'csv', '--', '/home'] as const
      return {
        open: (effects) => openQuota(withEffects(host, effects), '/home'),
        snapshot: async () => (await host.run(report, { touches: 'nothing' })).stdout,
        close: async () => {},
      }
    },
    createBrokenWorld: async () => ({
      open: (effects) => openQuota(withEffects(createFakeHost(), effects), '/home'),
      close: async () => {},
    }),
  })
  for (const { name, run } of checks) void t.test(`openQuota() on ${fileSystem}: ${name}`, run)
}
