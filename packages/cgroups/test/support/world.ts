import { createFakeHost, type FakeHost } from '@puppy/host/fake'
import { facilityChecks, withEffects, type Effects, type Subject } from '@puppy/host/conformance'
import type { ChangeSet, Host, ItemResult } from '@puppy/host'
import t from 'tap'
import type { Cgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import { openCgroups, type GroupResult } from '../../src/cgroupfs/cgroups.ts'
import type { GroupChangeSet, GroupSpec, ObservedGroups } from '../../src/cgroupfs/plan.ts'
import { CgroupError } from '../../src/errors.ts'
import { createFakeCgroups, type FakeCgroups, type FakeOptions } from '../../src/fake.ts'
import { limitTable } from '../../src/limits/table.ts'
import { joinPath, rootPath, type CgroupPath } from '../../src/path.ts'
import type { ObservedSlices } from '../../src/systemd/observe.ts'
import type { SliceChangeSet } from '../../src/systemd/plan.ts'
import type { SliceResult } from '../../src/systemd/result.ts'
import { openSlices } from '../../src/systemd/slices.ts'
import type { SliceSpec } from '../../src/systemd/spec.ts'

/** Runs the checks that every facility passes, each as a separate test. */
export function conforms<Spec, Observed, Planned extends ChangeSet, Result extends ItemResult>(
  title: string,
  subject: Subject<Spec, Observed, Planned, Result>,
): void {
  for (const { name, run } of facilityChecks(subject)) void t.test(`${title}: ${name}`, run)
}

/** Wraps the tree so that every change of it goes through `effects`. */
export function countedCgroupfs(cgroupfs: Cgroupfs, effects: Effects): Cgroupfs {
  const failed = (operation: string, error: unknown) =>
    error === effects.error ? new CgroupError('CGROUP_REFUSED', { operation, cause: error }) : error
  const performSync = <Value>(what: string, effect: () => Value): Value => {
    try {
      return effects.performSync(what, effect)
    } catch (error) {
      throw failed(what, error)
    }
  }
  return Object.freeze<Cgroupfs>({
    ...cgroupfs,
    write: async (path, file, value) => {
      const what = `write ${value} to ${file} of ${path}`
      try {
        await effects.perform(what, () => cgroupfs.write(path, file, value))
      } catch (error) {
        throw failed(what, error)
      }
    },
    // Creating an existing group, or removing a missing one, is not an effect.
    make: (path) => !cgroupfs.exists(path) && performSync(`make ${path}`, () => cgroupfs.make(path)),
    remove: (path) => cgroupfs.exists(path) && performSync(`remove ${path}`, () => cgroupfs.remove(path)),
  })
}

/** Reads every file below folders of a host. */
export async function textsBelow(host: Host, ...folders: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const texts: Record<string, string> = {}
  for (const folder of folders) {
    for (const name of await host.list(folder)) {
      const path = `${folder}/${name}`
      const kind = (await host.status(path))?.kind
      if (kind === 'folder') Object.assign(texts, await textsBelow(host, path))
      else texts[path] = kind === 'file' ? ((await host.read(path)) ?? '') : (kind ?? '')
    }
  }
  return texts
}

const treeFiles = [
  'cgroup.procs',
  'cgroup.subtree_control',
  'memory.current',
  ...new Set(Object.values(limitTable).map(({ file }) => file)),
]

/** Reads the groups of a tree and their files. */
export function treeBelow(cgroupfs: Cgroupfs, path: CgroupPath = rootPath): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {}
  for (const file of treeFiles) texts[`${path}/${file}`] = cgroupfs.read(path, file) ?? ''
  for (const name of cgroupfs.children(path)) Object.assign(texts, treeBelow(cgroupfs, joinPath(path, name)))
  return texts
}

/** Returns a systemd in memory as the subject of the checks. `prepare` changes the world before the checks start. */
export function fakeSlices(
  spec: readonly SliceSpec[],
  options: FakeOptions,
  prepare: (fake: FakeCgroups, host: FakeHost) => Promise<void> = async () => {},
): Subject<readonly SliceSpec[], ObservedSlices, SliceChangeSet, SliceResult> {
  return {
    spec,
    targets: spec.map(({ slice }) => slice),
    spoiled: { spec: [...spec, { slice: 'user-9.slice', limits: { pids: { max: 0 } } }], target: 'user-9.slice' },
    createWorld: async () => {
      const fake = createFakeCgroups(options)
      const host = createFakeHost({ programs: fake.programs, files: fake.files })
      await host.run(['/usr/bin/systemctl', '--version'], { touches: 'nothing' })
      await prepare(fake, host)
      return {
        open: (effects) =>
          openSlices(withEffects(host, effects), { cgroupfs: countedCgroupfs(fake.cgroupfs, effects) }),
        snapshot: async () => ({
          ...(await textsBelow(host, '/etc', '/run', '/proc/1/fdinfo')),
          ...treeBelow(fake.cgroupfs),
        }),
        close: async () => {},
      }
    },
    createBrokenWorld: async () => ({ open: () => openSlices(createFakeHost()), close: async () => {} }),
  }
}

/** Returns a tree in memory as the subject of the checks. */
export function fakeGroups(): Subject<readonly GroupSpec[], ObservedGroups, GroupChangeSet, GroupResult> {
  const spec = [
    { path: 'a/b', limits: { pids: { max: 5 }, memory: { high: 4096, max: 8192 } } },
    { path: 'c', limits: { cpu: { max: 0.5 }, pids: { max: 6 } } },
  ]
  return {
    spec,
    targets: spec.map(({ path }) => path),
    spoiled: { spec: [{ path: '../x', limits: {} }, ...spec], target: '../x' },
    createWorld: async () => {
      const { cgroupfs, programs, files, place, use } = createFakeCgroups()
      const host = createFakeHost({ programs, files })
      // A group in use. The spec raises one of its limits and lowers another.
      const before = openCgroups(host, { cgroupfs })
      await before.create('c', { cpu: { max: 2 }, pids: { max: 5 } })
      place('c', 7)
      use('c', 65_536)
      return {
        open: (effects) => openCgroups(withEffects(host, effects), { cgroupfs: countedCgroupfs(cgroupfs, effects) }),
        snapshot: async () => treeBelow(cgroupfs),
        close: async () => {},
      }
    },
    createBrokenWorld: async () => ({ open: () => openCgroups(createFakeHost()), close: async () => {} }),
  }
}
