import { createHost } from '@puppy/host'
import { withEffects } from '@puppy/host/conformance'
import t from 'tap'
import { openCgroupfs } from '../../../src/cgroupfs/cgroupfs.ts'
import { dropInPath } from '../../../src/systemd/paths.ts'
import { openSlices } from '../../../src/systemd/slices.ts'
import type { SliceSpec } from '../../../src/systemd/spec.ts'
import { slicePath } from '../../../src/unit.ts'
import { systemdOf } from '../../support/systemd.ts'
import { whyNot } from '../../support/tenants.ts'
import { conforms, countedCgroupfs, textsBelow } from '../../support/world.ts'

const host = createHost()
const runFolder = '/run/puppy-cgroups-suite'
const service = 'puppy-cgroups-suite.service'
const cgroupfs = openCgroupfs(host)
const skip = await whyNot(host, 'systemd-run')
t.setTimeout(1_800_000)

const { systemctl, startIn } = systemdOf(service, host)

if (skip !== false) void t.test('openSlices() conforms with the real systemd', { skip }, async () => undefined)

/** A slice in use, and one that is not in use. */
const [busy, idle] = ['puppycglive-c.slice', 'puppycglive-d.slice']
const spec: readonly SliceSpec[] = [
  {
    slice: busy,
    limits: { cpu: { max: 0.5 }, pids: { max: 60 } },
    portRules: { allow: [{ first: 20_001, last: 20_004 }] },
  },
  { slice: idle, limits: { memory: { max: 64 * 1024 ** 2 }, io: { weight: 300 } } },
]
const files = ['cpu.max', 'cpu.weight', 'memory.high', 'memory.max', 'pids.max', 'io.weight']

if (skip === false) {
  conforms('slices of systemd', {
    spec,
    targets: [busy, idle],
    spoiled: {
      spec: [...spec, { slice: 'puppycglive-e.slice', limits: { pids: { max: 0 } } }],
      target: 'puppycglive-e.slice',
    },
    // Each fault needs a separate world, with sessions that start and end, so only a few are injected.
    faults: 6,
    createWorld: async () => {
      await openSlices(host, { runFolder }).remove([busy, idle])
      await startIn(busy)
      return {
        open: (effects) =>
          openSlices(withEffects(host, effects), { runFolder, cgroupfs: countedCgroupfs(cgroupfs, effects) }),
        snapshot: async () => {
          const folders = [busy, idle].flatMap((slice) => [
            dropInPath(slice).slice(0, -'/50-puppy.conf'.length),
            `/run/systemd/system.control/${slice}.d`,
            `/etc/systemd/system.control/${slice}.d`,
          ])
          const kernel = files.map((file) => [file, cgroupfs.read(slicePath(busy), file)] as const)
          return { ...(await textsBelow(host, runFolder, ...folders)), ...Object.fromEntries(kernel) }
        },
        close: async () => {
          await openSlices(host, { runFolder }).remove([busy, idle])
          await systemctl('stop', service, busy, idle)
          await systemctl('revert', busy, idle)
        },
      }
    },
    createBrokenWorld: async () => ({
      open: () => openSlices(createHost({ root: '/nonexistent' }), { runFolder }),
      close: async () => {},
    }),
  })
}
