import { createFakeHost } from '@puppy/host/fake'
import { createFakeQuota, type FakeQuotaOptions } from '../../src/fake.ts'
import { openQuota } from '../../src/index.ts'

/** Quotas on a fake host. */
export function openFake(options: FakeQuotaOptions = {}) {
  const fake = createFakeQuota(options)
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  const ran = () => host.commands.map(([program]) => program.slice(program.lastIndexOf('/') + 1))
  return { fake, host, ran, quota: openQuota(host, options.mountPoint ?? '/home') }
}
