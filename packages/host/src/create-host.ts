import { resolve } from 'node:path'
import type { Command, RunOptions } from './command.ts'
import { createFiles } from './files.ts'
import { findProgram } from './find-program.ts'
import type { Host } from './host.ts'
import { assertInside } from './inside.ts'
import { createLocks } from './lock.ts'
import type { Mount } from './proc/mountinfo.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { createRelabel } from './relabel.ts'
import { runProgram, startProgram } from './run.ts'
import { sendSignal } from './signal.ts'
import { unmountExactly } from './unmount.ts'

/** Options of `createHost`. */
export interface HostOptions {
  /** The folder that the host uses as `/`. Default `/`. */
  readonly root?: string
}

/** Creates a host for this machine. With `root`, the folder stands for the root of the machine, and `live` is false. */
export function createHost(options: HostOptions = {}): Host {
  const root = resolve(options.root ?? '/')
  const live = root === '/'
  const locks = createLocks(async (path) => {
    const located = files.path(path)
    await assertInside(root, located)
    return located
  })
  const run = (command: Command, options: RunOptions) =>
    runProgram(command, options, { live, marks: locks.marks, programStopped: locks.programStopped })
  const files = createFiles(root, live ? createRelabel(run) : undefined)
  return Object.freeze({
    root,
    live,
    ...files,
    lock: locks.lock,
    program: findProgram,
    start: startProgram,
    run,
    unmount: (mount: Mount, options: Pick<RunOptions, 'signal' | 'timeout'> = {}) =>
      unmountExactly(mount, options, { live, run }),
    signal: async (process: ProcessIdentity, signal: NodeJS.Signals) => sendSignal(process, signal, live),
  })
}
