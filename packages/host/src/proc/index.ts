export { readBootId } from './boot-id.ts'
export { parseCgroup, type ProcessGroup } from './cgroup.ts'
export { parseCmdline } from './cmdline.ts'
export { findHolders, parseListeners, readListeners, type Listener } from './listeners.ts'
export { findMountOf, parseMountinfo, readMounts, renderDevice, uncoveredMounts, type Mount } from './mountinfo.ts'
export {
  listPids,
  processesOf,
  readCgroup,
  readCmdline,
  readProcesses,
  readProcessFile,
  readStat,
  readStatus,
} from './process.ts'
export { parseStat, type ProcessStat } from './stat.ts'
export { parseStatus, type Ids, type ProcessStatus } from './status.ts'
