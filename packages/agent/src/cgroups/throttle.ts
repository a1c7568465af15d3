import type { DeviceLimits, Limit, Limits } from '@puppy/cgroups'

/** A tenth of a processor, and the least share when others want it too. */
const cpu = { max: 0.1, weight: 1 }
/** A login and a small server still fit; a second server does not. */
const processes = 32
/** Per second, of the disk that homes are on. */
const disk = { rbps: 2 ** 20, wbps: 2 ** 20, riops: 100, wiops: 100 }
/** The least share of a disk, for a plan that has one. */
const ioWeight = 1

/**
 * Returns the limits of a throttled account: processor, processes and disk are limited so that its neighbours are not disturbed. Pure. No
 * limit is looser than that of the plan, and what is valid for a plan stays valid.
 *
 * Memory stays as it is: a lower limit than what is in use kills. `device` is the disk of the homes as numbers (`8:0`), when they are on one
 * that the kernel can limit.
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
      // An idle group has less than the least weight, and can have none.
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
