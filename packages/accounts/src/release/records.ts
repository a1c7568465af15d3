import { findTool, HostError, runOptions, runsSystemd, type EffectOptions, type Host } from '@puppy/host'
import { isAbort } from '../abort.ts'
import { isSafeFolder } from '../safe-folder.ts'
import type { Slot } from '../slots.ts'

/** Folders with files that have the name of a user, but not always its uid. */
const namedFiles = [
  '/var/spool/cron/crontabs/',
  '/var/spool/cron/',
  '/var/mail/',
  '/var/spool/mail/',
  '/run/sudo/ts/',
  '/run/faillock/',
  '/var/lib/sudo/lectured/',
  '/var/lib/AccountsService/users/',
]

/** Files that have the uid of a user in their name. sudo(8) names them after the uid since version 1.9.15. */
const numberedFiles = ['/run/sudo/ts/']

/** Returns the files of services that have the name or the uid of a slot, by path. */
export async function readRecords(host: Host, slots: readonly Slot[]): Promise<readonly string[]> {
  const folders = [...new Set([...namedFiles, ...numberedFiles])]
  const safe = new Map(
    await Promise.all(folders.map(async (folder) => [folder, await isSafeFolder(host, folder.slice(0, -1))] as const)),
  )
  const paths = slots.flatMap(({ user, uid }) => [
    ...namedFiles.filter((folder) => safe.get(folder) === true).map((folder) => `${folder}${user}`),
    ...numberedFiles.filter((folder) => safe.get(folder) === true).map((folder) => `${folder}${uid}`),
  ])
  const there = await Promise.all(paths.map(async (path) => (await host.status(path)) !== undefined))
  return paths.filter((_, index) => there[index])
}

/** The folders of systemd-coredump(8). It allows each user to read the core dumps of its uid. */
const coreDumpFolder = '/var/lib/systemd/coredump'

/** Returns the core dumps of uids: `core.NAME.UID.BOOT.PID.TIME.zst`. A process chooses its name, which may contain dots. */
export async function readCoreDumps(host: Host, uids: ReadonlySet<number>): Promise<readonly string[]> {
  const form = /^core\..*\.(\d{1,10})\.[0-9a-f]{32}\.\d{1,10}\.\d{1,20}(?:\.[a-z0-9]{1,4})?$/s
  const names = await host.list(coreDumpFolder)
  return names.filter((name) => uids.has(Number(form.exec(name)?.[1]))).map((name) => `${coreDumpFolder}/${name}`)
}

/** Returns the journals of uids. journald has one file for each user, which the next user with that uid could read. */
export async function readJournals(host: Host, uids: ReadonlySet<number>): Promise<readonly string[]> {
  const folders = ['/var/log/journal', '/run/log/journal']
  const machines = await Promise.all(
    folders.map(async (folder) => (await host.list(folder)).map((name) => `${folder}/${name}`)),
  )
  const real = await Promise.all(
    machines.flat().map(async (path) => ((await host.status(path))?.kind === 'folder' ? [path] : [])),
  )
  const files = await Promise.all(
    real.flat().map(async (folder) => (await host.list(folder)).map((name) => `${folder}/${name}`)),
  )
  return files.flat().filter((path) => uids.has(Number(/\/user-(\d+)[@.][^/]*$/.exec(path)?.[1])))
}

/** Makes journald close the journals of these uids, so that they can be removed. */
export async function rotateJournals(machine: Host, uids: ReadonlySet<number>, options: EffectOptions): Promise<void> {
  const journalctl = (await runsSystemd(machine)) ? machine.program('journalctl') : undefined
  if (journalctl === undefined || (await readJournals(machine, uids)).length === 0) return
  await machine.run([journalctl, '--rotate'], runOptions('machine', options, { accept: [0, 1] }))
}

/**
 * Clears the time and address of the last login, which sshd(8) or pam_lastlog2(8) would show to the next tenant. Nothing happens where no
 * such record exists.
 */
export async function clearLastLogins(machine: Host, slots: readonly Slot[], options: EffectOptions): Promise<void> {
  const tools = [
    { tool: findTool(machine, 'lastlog'), file: '/var/log/lastlog' },
    { tool: findTool(machine, 'lastlog2'), file: '/var/lib/lastlog/lastlog2.db' },
  ]
  for (const { tool, file } of tools) {
    if (tool === undefined || ((await machine.status(file))?.size ?? 0) === 0) continue
    for (const { user } of slots) {
      try {
        const command = [tool, '--clear', '--user', user] as const
        await machine.run([...command], runOptions('machine', { ...options, timeout: 5000 }, { accept: [0, 1] }))
      } catch (error) {
        if (!(error instanceof HostError) || isAbort(error)) throw error
      }
    }
  }
}
