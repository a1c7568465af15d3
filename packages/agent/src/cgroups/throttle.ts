import type { DeviceLimits, Limit, Limits } from '@puppy/cgroups'

/** A tenth of a processor, and the smallest share when other groups need it too. */
const cpu = { max: 0.1, weight: 1 }
/** Enough for a login and a small server, but not for a second server. */
const processes = 32
/** Per second, on the disk of the homes. */
const disk = { rbps: 2 ** 20, wbps: 2 ** 20, riops: 100, wiops: 100 }
/** The smallest share of a disk, for a plan that has a share. */
const ioWeight = 1

/**
 * Returns the limits of a throttled account: lower ones for processor, processes and disk, so that it does not disturb its neighbours.
 * Pure. No limit is higher than that of the plan, and limits that are valid for a plan stay valid.
 *
 * Does not change memory: the kernel kills processes when the limit is below what they use. `device` is the disk of the homes as numbers
 * (`8:0`). It is undefined when the homes are on no disk that the kernel can limit.
 */
export function throttledLimits(limits: Limits, device: string | undefined): Limits {
  const { weight, max: planned = [] } = limits.io ?? {}
  const devices = device === undefined ? planned : throttledDevices(planned, device)
  const io = {
    ...(weight === undefined ? {} : { weight: ioWeight }),
    ...(devices.length === 0 ? {} : { max: devices }),
  }
  return {
    ...limits,
    cpu: {
      ...limits.cpu,
      max: least(limits.cpu?.max, cpu.max),
      // An idle group has less than the smallest weight, and the kernel accepts no weight for it.
      ...(limits.cpu?.idle === true ? {} : { weight: cpu.weight }),
    },
    pids: { ...limits.pids, max: least(limits.pids?.max, processes) },
    ...(Object.keys(io).length === 0 ? {} : { io }),
  }
}

function throttledDevices(devices: readonly DeviceLimits[], device: string): readonly DeviceLimits[] {
  const own = devices.find((one) => one.device === device)
  return [
    ...devices.filter((one) => one.device !== device),
    {
      device,
      rbps: least(own?.rbps, disk.rbps),
      wbps: least(own?.wbps, disk.wbps),
      riops: least(own?.riops, disk.riops),
      wiops: least(own?.wiops, disk.wiops),
    },
  ]
}

function least(limit: Limit | undefined, bound: number): number {
  return typeof limit === 'number' ? Math.min(limit, bound) : bound
}
