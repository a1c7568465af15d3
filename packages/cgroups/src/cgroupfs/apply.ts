import { CgroupError } from '../errors.ts'
import { differencesOf } from '../limits/compare.ts'
import { ancestorsOf, type CgroupPath } from '../path.ts'
import { applyLimits } from './apply-limits.ts'
import type { Cgroupfs } from './cgroupfs.ts'
import type { GroupStep } from './plan.ts'
import { listProcesses } from './processes.ts'
import { readLimits } from './read-limits.ts'
import type { ShrinkOptions } from './shrink-memory.ts'

/**
 * Performs one step: creates the group and its ancestors, enables controllers, and sets limits. On failure, removes the groups that it
 * created.
 *
 * @throws CgroupError `CGROUP_CONFLICT` when the group changed after it was observed, `CGROUP_REFUSED`, `CGROUP_BUSY` when an ancestor
 *   itself has processes.
 */
export async function applyStep(cgroupfs: Cgroupfs, step: GroupStep, options: ShrinkOptions): Promise<void> {
  const { path, controllers } = step
  checkUnchanged(cgroupfs, step)
  const made: CgroupPath[] = []
  try {
    for (const group of [...ancestorsOf(path), path]) {
      if (group !== '' && cgroupfs.make(group)) made.push(group)
      if (group !== path) await enable(cgroupfs, group, controllers)
    }
    await applyLimits(cgroupfs, path, step, options)
  } catch (error) {
    for (const group of made.toReversed()) {
      try {
        cgroupfs.remove(group)
      } catch {
        // Another program already uses this group. The first failure is the one to report.
      }
    }
    throw error
  }
}

function checkUnchanged(cgroupfs: Cgroupfs, { path, existed, limits, writes }: GroupStep): void {
  if (!existed) return
  const now = cgroupfs.exists(path) ? differencesOf(limits, readLimits(cgroupfs, path, limits)) : undefined
  const same =
    now !== undefined &&
    writes.every(({ name, observed }) => {
      const value = now.find((one) => one.name === name)?.observed
      return value === (observed === undefined ? undefined : String(observed))
    })
  if (same) return
  throw new CgroupError('CGROUP_CONFLICT', {
    operation: 'limit the group',
    target: `/${path}`,
    detail: 'the group changed after it was observed; read and plan again',
  })
}

/** Enables controllers for the child groups of a group, in one write. The kernel enables all of them or none. */
async function enable(cgroupfs: Cgroupfs, path: CgroupPath, controllers: readonly string[]): Promise<void> {
  const words = (file: string) => (cgroupfs.read(path, file) ?? '').trim().split(/\s+/)
  const enabled = words('cgroup.subtree_control')
  const missing = controllers.filter((controller) => !enabled.includes(controller))
  if (missing.length === 0) return
  const offered = words('cgroup.controllers')
  const absent = missing.find((controller) => !offered.includes(controller))
  if (absent !== undefined) {
    throw new CgroupError('CGROUP_REFUSED', {
      operation: 'enable the controller',
      target: absent,
      value: `/${path}`,
      detail: 'the group itself does not have this controller; check that the kernel and the parent groups provide it',
    })
  }
  try {
    await cgroupfs.write(path, 'cgroup.subtree_control', missing.map((name) => `+${name}`).join(' '))
  } catch (error) {
    if (!(error instanceof CgroupError && error.code === 'CGROUP_BUSY')) throw error
    const pids = listProcesses(cgroupfs, path).slice(0, 10).join(', ')
    throw new CgroupError('CGROUP_BUSY', {
      operation: 'enable the controllers',
      target: missing.join(' '),
      value: `/${path}`,
      cause: error,
      detail: `the group itself has processes (${pids}); move them into a child group first`,
    })
  }
}
