import type { Limit, Limits } from '@puppy/cgroups'

/** A tenth of a processor, and the least share of what others want too. */
const cpu = { max: 0.1, weight: 1 }
/** A login and a small server still fit; a second server does not. */
const processes = 32
/** In a second, of the disk that homes are on. */
const disk = { rbps: 2 ** 20, wbps: 2 ** 20, riops: 100, wiops: 100 }

/**
 * Squeezes what a plan allows so that whoever has it hurts nobody: processor, processes and disk. Pure; never more than the plan.
 *
 * Memory stays: whoever lowers it under what is in use kills. `device` is the disk, when homes are on one that the kernel can
 * limit.
 */
export function squeeze(limits: Limits, device: string | undefined): Limits {
  const { weight: _, ...io } = limits.io ?? {}
  return {
    ...limits,
    cpu: { ...limits.cpu, max: least(limits.cpu?.max, cpu.max), weight: cpu.weight },
    pids: { max: least(limits.pids?.max, processes) },
    ...(device === undefined ? {} : { io: { ...io, max: [{ device, ...disk }] } }),
  }
}

function least(limit: Limit | undefined, bound: number): number {
  return typeof limit === 'number' ? Math.min(limit, bound) : bound
}
