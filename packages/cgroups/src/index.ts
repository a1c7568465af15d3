export type { LimitWrite } from './cgroupfs/apply-limits.ts'
export { openCgroupfs } from './cgroupfs/cgroupfs.ts'
export type { Cgroupfs } from './cgroupfs/cgroupfs.ts'
export { openCgroups } from './cgroupfs/cgroups.ts'
export type { AppliedGroups, Cgroups, CgroupsOptions, GroupResult, RemoveOptions } from './cgroupfs/cgroups.ts'
export { planGroups } from './cgroupfs/plan.ts'
export type {
  GroupChange,
  GroupChangeSet,
  GroupSpec,
  GroupStep,
  ObservedGroup,
  ObservedGroups,
} from './cgroupfs/plan.ts'
export type { GroupState } from './cgroupfs/processes.ts'
export type { ShrinkOptions } from './cgroupfs/shrink-memory.ts'
export { CgroupError } from './errors.ts'
export type { CgroupErrorCode, CgroupErrorFacts } from './errors.ts'
export type { Difference } from './limits/compare.ts'
export { findDisk } from './limits/device.ts'
export type { Devices } from './limits/device.ts'
export type {
  CpuLimits,
  CpusetLimits,
  DeviceLimits,
  IoLimits,
  Limit,
  Limits,
  MemoryLimits,
  PidsLimits,
} from './limits/limits.ts'
export type { CgroupWrite } from './limits/writes.ts'
export { pamPolicy, pamProfilePath, renderPamProfile } from './pam.ts'
export type { PamProfileOptions } from './pam.ts'
export type { CgroupPath } from './path.ts'
export { probe } from './probe.ts'
export type { CgroupFeature, CgroupMode, CgroupProbe, ProbeOptions, SystemdVersion } from './probe.ts'
export { readStrays } from './strays.ts'
export type { Stray } from './strays.ts'
export { firstFreePort } from './systemd/drop-in.ts'
export type { PortRange, PortRules } from './systemd/drop-in.ts'
export type { ForeignSetting, ObservedSlice, ObservedSlices } from './systemd/observe.ts'
export type { SlicesOptions } from './systemd/paths.ts'
export { planSlices } from './systemd/plan.ts'
export type { SliceChange, SliceChangeSet, SliceStep } from './systemd/plan.ts'
export type { PortRuleLink } from './systemd/port-rules.ts'
export type { PortRuleStatus, SliceResult } from './systemd/result.ts'
export { openSlices } from './systemd/slices.ts'
export type { AppliedSlices, Slices } from './systemd/slices.ts'
export type { SliceSpec } from './systemd/spec.ts'
export { slicePath, userSlice } from './unit.ts'
export { watchGroups } from './usage/events.ts'
export type { CgroupEvent, WatchOptions } from './usage/events.ts'
export { addUsage, readingOf } from './usage/meter.ts'
export type { Meter, UsageReading } from './usage/meter.ts'
export type { Pressure, PressureShare } from './usage/pressure.ts'
export { rankGroups } from './usage/top.ts'
export type { TopReading, TopRow } from './usage/top.ts'
export { readUsage } from './usage/usage.ts'
export type {
  CpuUsage,
  DeviceUsage,
  MemoryEvents,
  MemoryUsage,
  PidsUsage,
  Usage,
  UsageOptions,
  UsagePart,
} from './usage/usage.ts'
