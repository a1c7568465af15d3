/** The common conformance suite, on the fake and on the real nft in separate network namespaces. */
import { readdir } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { createFakeNft } from '../src/fake.ts'
import { openFirewall } from '../src/index.ts'
import { subject } from './support/facility.ts'
import { cannotRun, createLab } from './support/lab.ts'

const folder = '/run/puppy-firewall'

const onFake = facilityChecks({
  ...subject,
  createWorld: async () => {
    const host = createFakeHost({ programs: { '/usr/sbin/nft': createFakeNft().program }, files: { '/run/x': '' } })
    const list = ['/usr/sbin/nft', '-j', 'list', 'table', 'inet', 'puppy'] as const
    return {
      open: (effects) => openFirewall(withEffects(host, effects)),
      snapshot: async () => ({
        listing: await host.run(list, { touches: 'nothing', accept: [0, 1] }),
        files: await host.list(folder),
      }),
      close: async () => {},
    }
  },
  createBrokenWorld: async () => ({
    open: (effects) => openFirewall(withEffects(createFakeHost(), effects)),
    close: async () => {},
  }),
})
for (const { name, run } of onFake) void t.test(`openFirewall() on the fake: ${name}`, run)

t.setTimeout(300_000)
const real = facilityChecks({
  ...subject,
  createWorld: async () => {
    const cleanups: (() => unknown)[] = []
    const lab = await createLab({ teardown: (work) => cleanups.push(work) })
    return {
      open: (effects) => openFirewall(withEffects(createHost(), effects), { netns: lab.netns, folder: lab.folder }),
      snapshot: async () => ({ listing: await lab.nft('list', 'ruleset'), files: await readdir(lab.folder) }),
      close: async () => {
        for (const work of cleanups.toReversed()) await work()
      },
    }
  },
  createBrokenWorld: async () => ({
    open: (effects) => openFirewall(withEffects(createHost(), effects), { nft: '/no/such/nft' }),
    close: async () => {},
  }),
})
for (const { name, run } of real) void t.test(`openFirewall() with the real nft: ${name}`, { skip: cannotRun }, run)
