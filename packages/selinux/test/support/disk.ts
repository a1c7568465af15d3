import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'

/** A small separate disk that can be filled. */
export interface Disk {
  readonly folder: string
  /** Fills the disk and leaves this many bytes free. */
  leave(bytes: number): Promise<void>
  /** Waits until a path is created, then fills the disk completely. Returns the error of the attempt, or undefined when it succeeds. */
  fillOnce(there: string, attempt: Promise<unknown>): Promise<unknown>
  empty(): Promise<void>
}

/** Creates an ext4 file system in a file and mounts it. Both are removed after the test. */
export async function createDisk(
  t: Test,
  host: Host,
  { size, at = '/var/tmp/sxl-disk', from }: { readonly size: string; readonly at?: string; readonly from?: string },
): Promise<Disk> {
  const [image, folder] = ['/var/tmp/sxl-disk.img', at]
  const filler = `${folder}/filler`
  const run = async (program: string, args: readonly string[], accept = [0]) =>
    (await host.run([host.program(program) ?? program, ...args], { touches: 'machine', accept, timeout: 120_000 }))
      .stdout
  await host.makeFolder(folder)
  await run('truncate', [`--size=${size}`, image])
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '0', ...(from === undefined ? [] : ['-d', from]), image])
  await run('mount', ['-o', 'loop', image, folder])
  t.teardown(async () => {
    await run('umount', [folder])
    await run('rm', ['-f', image])
    await host.remove(folder).catch(() => undefined)
  })
  const empty = async () => void (await run('rm', ['-f', filler]))
  return {
    folder,
    empty,
    leave: async (bytes) => {
      const free = Number(/(\d+)\n$/.exec(await run('df', ['--block-size=1', '--output=avail', folder]))?.[1])
      await run('fallocate', ['--length', `${free - bytes}`, filler])
    },
    fillOnce: async (there, attempt) => {
      const outcome = attempt.then(
        () => undefined,
        (error: unknown) => error,
      )
      const begun = Date.now() - 20
      let over = false
      void outcome.then(() => (over = true))
      // A failed attempt may have left its path behind.
      const isNew = () => (statSync(there, { throwIfNoEntry: false })?.birthtimeMs ?? 0) >= begun
      while (!isNew() && !over) await sleep(1)
      // dd ends when the disk is full, even if the transaction uses or releases space meanwhile.
      await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], [0, 1])
      return outcome
    },
  }
}
