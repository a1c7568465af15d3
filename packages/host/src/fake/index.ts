export { createFakeHost } from './create-fake-host.ts'
export type { FakeHost, FakeHostOptions, FakeProgram } from './fake-host.ts'
export { renderFakeProcess, type FakeProcess } from './process.ts'
export { createFakeUnshare } from './unshare.ts'
