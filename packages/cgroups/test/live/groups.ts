import { createHost } from '@puppy/host'
import { withEffects } from '@puppy/host/conformance'
import t from 'tap'
import { openCgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import { openCgroups } from '../../src/cgroupfs/cgroups.ts'
import { parseCgroupPath } from '../../src/path.ts'
import { whyNot } from '../support/tenants.ts'
import { conforms, countedCgroupfs, treeBelow } from '../support/world.ts'

const host = createHost()
const cgroupfs = openCgroupfs(host)
const skip = await whyNot(host)
t.setTimeout(600_000)

if (skip !== false)
  void t.test('openCgroups() conforms on the cgroup tree of the kernel', { skip }, async () => undefined)

/** The group in the real tree that has all groups of this test. */
const base = 'puppy-suite'
const groups = [
  {
    path: `${base}/a/b`,
    limits: { pids: { max: 5 }, memory: { high: 4 * 1024 ** 2, max: 8 * 1024 ** 2, swapMax: 0 } },
  },
  { path: `${base}/c`, limits: { cpu: { max: 0.5 }, pids: { max: 6 } } },
]
const removeGroups = async () => {
  if (cgroupfs.exists(parseCgroupPath(base))) await openCgroups(host).remove(base, { kill: true })
}

if (skip === false) {
  conforms('groups of the kernel', {
    spec: groups,
    targets: groups.map(({ path }) => path),
    spoiled: { spec: [{ path: '../x', limits: {} }, ...groups], target: '../x' },
    createWorld: async () => {
      await removeGroups()
      await openCgroups(host).create(`${base}/c`, { cpu: { max: 2 }, pids: { max: 5 } })
      return {
        open: (effects) => openCgroups(withEffects(host, effects), { cgroupfs: countedCgroupfs(cgroupfs, effects) }),
        snapshot: async () => {
          // The kernel counts the memory in use. It is not an effect of the facility.
          const tree = Object.entries(treeBelow(cgroupfs, parseCgroupPath(base)))
          return Object.fromEntries(tree.filter(([file]) => !file.endsWith('memory.current')))
        },
        close: removeGroups,
      }
    },
    createBrokenWorld: async () => ({
      open: () => openCgroups(createHost({ root: '/nonexistent' })),
      close: async () => {},
    }),
  })
}
