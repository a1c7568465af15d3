import { join } from 'node:path'
import { evict, openBase, removeSlots, scrub, slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import { parsePasswd } from '@puppy/accounts/passwd'
import { removeLimits, removeFirewall, openTenantPolicy, removeQuotas, removePolicy, removeView } from '@puppy/agent'
import { openHaproxy } from '@puppy/haproxy'
import { isUnfinished, printable, runsSystemd, type Host } from '@puppy/host'
import { openQuota } from '@puppy/quota'
import type { Config } from '../config.ts'
import { stopEmbedded } from '@puppy/state/embedded'
import { StartError } from '@puppy/state'
import { placesOf } from '../places.ts'
import { layoutOf, openHosts, proxySettings, firewallSettings } from '../wiring.ts'
import { endFirmly } from '../processes.ts'
import { ensureSystemUsers, findOwn, removeSystemUsers } from '../system-users.ts'
import { say, warn } from '../say.ts'

/** Runs `puppy down`: stops all processes of Puppy. With `--purge`, also removes all that Puppy created, tenants and data included. */
export async function down(config: Config, args: readonly string[]): Promise<void> {
  const purging = args.includes('--purge')
  const unknown = args.find((argument) => argument !== '--purge')
  if (unknown !== undefined) throw new StartError(`Unknown argument ${unknown} of down; the only option is --purge`)
  if (purging && config.live && !config.privileged)
    throw new StartError('"down --purge" needs root, because it removes users and their homes; run it as root')
  const { machine, host } = openHosts(config)
  const users = config.live ? await findOwn(machine) : await ensureSystemUsers(machine, config)
  const site = { config, host, users, systemd: await runsSystemd(host) }
  const proxy = openHaproxy(machine, proxySettings(site))
  const places = placesOf(config)
  for (const name of ['up', 'agent', 'api'] as const) {
    const running = await places[name].read()
    if (running === undefined) continue
    await endFirmly(machine, running, 30_000)
    say(`Stopped puppy ${name} (pid ${running.pid})`)
  }
  let left = 0
  if (purging) {
    const layout = await layoutOf(config, machine)
    left = await removeTenants(layout, host)
    await removeLimits({ host, runFolder: join(config.runDir, 'cgroups') }, layout)
    await removeView(host, layout)
    await removePolicy({ host, policy: openTenantPolicy(host, layout) })
    await removeDiskLimits(layout, host)
    await removeFirewall({ host, ...firewallSettings(site, proxy) })
    await removeBase(layout, host)
    await proxy.remove()
  } else await proxy.stop()
  say('Stopped HAProxy')
  if (await stopEmbedded(config.stateDir)) say('Stopped the database')
  if (!purging) return
  if (left > 0) {
    throw new StartError(
      `${left} slots could not be removed, so the state folder was kept; fix the problems above and purge again`,
    )
  }
  await removeState(config, machine)
  if (config.live) for (const name of await removeSystemUsers(machine)) say(`Removed the user ${name}`)
  say(
    'Removed everything that Puppy created. Installed packages, such as haproxy, stay; remove them with apt if you do not need them.',
  )
}

/**
 * Removes all slots. Returns how many could not be removed. Keeps a slot whose name, uid, group or home belongs to another user, and does
 * not count this slot as a failure.
 */
async function removeTenants(layout: SlotLayout, host: Host): Promise<number> {
  const slots = Array.from({ length: slotCount(layout) }, (_, n) => slotAt(layout, n))
  const homes = new Set(await host.list(layout.homes))
  const present = slots.filter(({ user }) => homes.has(user))
  await evict(host, present)
  for (const { n, error } of await scrub(host, layout, present))
    // The user is removed, so no next tenant needs the proof.
    if (error !== undefined && error.code !== 'ACCOUNT_SLOT_UNPROVED')
      warn(`Slot ${n} could not be cleaned: ${error.message}`)
  const results = await removeSlots(host, layout, slots)
  const failures = results.flatMap(({ n, error }) => (error === undefined ? [] : [{ n, error }]))
  for (const { n, error } of failures) warn(`Slot ${n} was not removed: ${error.message}`)
  say(`Removed the users and homes of ${results.filter(({ changed }) => changed).length} slots`)
  return failures.filter(({ error }) => error.code !== 'ACCOUNT_SLOT_BLOCKED').length
}

/** Removes the base files. Keeps folders with the logins of users whose slots still exist. */
async function removeBase(layout: SlotLayout, host: Host): Promise<void> {
  const { results } = await openBase(host, layout).ensure('absent')
  for (const { error } of results) {
    if (error === undefined) continue
    if (error.code !== 'ACCOUNT_FOLDER_IN_USE') throw error
    warn(error.message)
  }
}

/** Lifts the disk limits of slots. Keeps the limits of a person who has the uid of a slot. */
async function removeDiskLimits(layout: SlotLayout, host: Host): Promise<void> {
  const people = new Set(parsePasswd((await host.read('/etc/passwd')) ?? '').map(({ uid }) => uid))
  const uids = Array.from({ length: slotCount(layout) }, (_, n) => slotAt(layout, n).uid)
  const messages = await removeQuotas(
    { host, quota: openQuota(host, layout.homes) },
    uids.filter((uid) => !people.has(uid)),
  )
  for (const message of messages) warn(message)
}

/** Deletes Puppy's files in the state and run folders. Keeps a folder that contains other files. */
async function removeState(config: Config, machine: Host): Promise<void> {
  const rm = machine.program('rm') ?? '/usr/bin/rm'
  const state = [
    'postgres',
    'haproxy',
    'log',
    'run',
    'admin-key',
    'machine-id',
    'slots.json',
    'agent.lock',
    'host.lock',
    'up.lock',
  ]
  const run = ['postgres', 'up.pid', 'api.pid', 'agent.pid', 'haproxy', 'firewall', 'cgroups']
  await machine.run([rm, '-rf', '--one-file-system', '--', ...run.map((name) => `${config.runDir}/${name}`)], {
    touches: 'ours',
  })
  await machine.run([rm, '-rf', '--one-file-system', '--', ...state.map((name) => `${config.stateDir}/${name}`)], {
    touches: 'ours',
  })
  for (const folder of [config.runDir, config.stateDir]) {
    const names = await machine.list(folder)
    // Temporary files of writes that were killed before they finished.
    const unfinished = names.filter((entry) => isUnfinished(entry))
    for (const entry of unfinished) await machine.remove(`${folder}/${entry}`)
    const left = names.filter((entry) => !unfinished.includes(entry))
    if (left.length > 0)
      warn(
        `Kept the folder ${folder}, because it contains files that Puppy did not create: ${left.slice(0, 5).map(printable).join(', ')}`,
      )
    else await machine.remove(folder)
  }
}
