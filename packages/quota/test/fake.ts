import t from 'tap'
import { quotaConforms } from './support/conformance.ts'
import { openFake } from './support/open.ts'

for (const fileSystem of ['ext4', 'xfs'] as const) {
  void t.test(`createFakeQuota() conforms as ${fileSystem}`, async (t) => {
    const { open, fake } = openFake({ fileSystem })
    await quotaConforms(t, { open, first: 70_001, meddle: async (...limits) => fake.meddle(...limits) })
  })
}

void t.test('createFakeQuota() reports the usage that use() set, and starts a grace time', async (t) => {
  const { quota, fake } = openFake()
  await quota.ensure([{ id: 5, bytes: { soft: 4096, hard: 8192 } }])
  fake.use('user', 5, { bytes: 5000, inodes: 1 })
  const limits = { soft: 4096, hard: 8192 }
  t.matchOnlyStrict(await quota.report([5]), [
    {
      id: 5,
      bytes: { used: 5120, ...limits, graceEnds: Number, graceLeft: Number, status: 'soft' },
      inodes: { used: 1, soft: 'none', hard: 'none', status: 'ok' },
    },
  ])
  fake.use('user', 5, { bytes: 0, inodes: 0 })
  t.strictSame(await quota.report([5]), [
    {
      id: 5,
      bytes: { used: 0, ...limits, status: 'ok' },
      inodes: { used: 0, soft: 'none', hard: 'none', status: 'ok' },
    },
  ])
})
