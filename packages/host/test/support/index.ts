export { matchWhole } from './match-whole.ts'
export { cannotMount, inMountNamespace } from './mount-namespace.ts'
export { applicationFolder, readmeProgram, runReadme } from './readme.ts'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost } from '../../src/index.ts'
import { endProcess, identifyProcess } from '../../src/process.ts'

export const isRoot = process.getuid?.() === 0

/** Registers cleanup for a test or a benchmark. The last registered work runs first. */
export interface Cleanup {
  teardown(work: () => unknown): void
}

/** Creates a folder that other users can traverse. It is removed at the end. Its path is short, because sockets are created in it. */
export function scratchFolder(t: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'puppy-'))
  chmodSync(folder, 0o711)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Returns a TCP port that is free on loopback now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Kills a process and waits until it has ended. */
export async function killHard(pid: number): Promise<void> {
  const host = createHost()
  const found = await identifyProcess(host, pid)
  if (found !== undefined) await endProcess(host, found, 'SIGKILL', { timeout: 5000 })
}

/** Waits for the first output of a child with piped stdout. Rejects if the child ends first, because otherwise a test would hang. */
export function firstOutput(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    child.once('close', (code, signal) =>
      reject(new Error(`The process ended with ${signal ?? code} and printed nothing`)),
    )
  })
}
