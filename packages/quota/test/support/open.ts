import { createFakeHost } from '@puppy/host/fake'
import { createFakeQuota, type FakeQuotaOptions } from '../../src/fake.ts'
import { openQuota, type Mount, type QuotaKind, type QuotaPlace } from '../../src/index.ts'

/** Opens quotas on a fake host. */
export function openFake({ kind = 'user', ...options }: FakeQuotaOptions & { readonly kind?: QuotaKind } = {}) {
  const fake = createFakeQuota(options)
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  const ran = () => host.commands.map(([program]) => program.slice(program.lastIndexOf('/') + 1))
  const open = (other: QuotaKind) => openQuota(host, options.mountPoint ?? '/home', { kind: other })
  return { fake, host, ran, open, quota: open(kind) }
}

export const mount: Mount = {
  id: 46,
  parent: 28,
  device: '253:16',
  root: '/',
  mountPoint: '/home',
  mountOptions: ['rw'],
  fileSystem: 'ext4',
  source: '/dev/fake',
  options: ['rw'],
}

/** User quotas of an ext4 whose blocks have 4096 bytes. */
export const place: QuotaPlace = {
  kind: 'user',
  mount,
  bounds: { blockSize: 4096, maxBytes: Number.MAX_SAFE_INTEGER, maxInodes: Number.MAX_SAFE_INTEGER },
}
