import { findTool, runOptions, runsSystemd, type EffectOptions } from '@puppy/host'
import { haproxyProgram, peersFolderCommand, type LocationContext, type ProxyContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import { serviceCommand } from './command.ts'
import { planContexts, readPolicy } from './selinux.ts'
import { renderUnit } from './unit.ts'

/** The systemd of this machine and HAProxy's unit in it. */
export interface ProxyService {
  readonly unit: string
  readonly systemctl: string
}

/** Returns the unit to use. Undefined when the location names none, the host is only a folder, or systemd does not run there. */
export async function findService({ host, settings }: LocationContext): Promise<ProxyService | undefined> {
  if (settings.service === undefined || !(await runsSystemd(host))) return undefined
  const systemctl = findTool(host, 'systemctl')
  return systemctl === undefined
    ? undefined
    : { unit: `${settings.service.replace(/\.service$/, '')}.service`, systemctl }
}

function unitFile({ unit }: ProxyService): string {
  return `/etc/systemd/system/${unit}`
}

/**
 * Writes the unit, reloads systemd if the unit changed, and starts it now and at every boot.
 *
 * @throws HaproxyError `HAPROXY_START_FAILED`
 */
export async function startService(
  context: ProxyContext,
  service: ProxyService,
  options: EffectOptions = {},
): Promise<void> {
  const { host, real } = context
  const command = serviceCommand(haproxyProgram(host), real.files)
  const policy = await readPolicy(context)
  const contexts = policy === undefined ? [] : planContexts(policy, real.settings)
  const before = [peersFolderCommand(real.settings, real.files), ...contexts]
  const text = renderUnit({ command, runFolder: real.settings.runFolder, before })
  const { changed } = await host.replace(unitFile(service), text, { mode: 0o644 })
  if (changed) await systemctl(context, service, ['daemon-reload'], options)
  await systemctl(context, service, ['enable', '--now', service.unit], options)
}

/** Stops the unit. It starts again at the next boot. Does nothing without a unit file. @throws HaproxyError `HAPROXY_STOP_FAILED` */
export async function stopService(
  context: LocationContext,
  service: ProxyService,
  options: EffectOptions = {},
): Promise<void> {
  if ((await context.host.status(unitFile(service))) === undefined) return
  await systemctl(context, service, ['stop', service.unit], options)
}

/** Disables the unit, deletes its file and reloads systemd. Does nothing without a unit file. */
export async function removeService(
  context: LocationContext,
  service: ProxyService,
  options: EffectOptions = {},
): Promise<void> {
  if ((await context.host.status(unitFile(service))) === undefined) return
  await systemctl(context, service, ['disable', service.unit], options)
  await context.host.remove(unitFile(service))
  await systemctl(context, service, ['daemon-reload'], options)
}

async function systemctl(
  { host }: LocationContext,
  service: ProxyService,
  words: readonly string[],
  options: EffectOptions,
): Promise<void> {
  const accept = [0, 1, 2, 3, 4, 5]
  const run = runOptions('machine', options, { accept, daemon: true })
  const { exitCode, stderr } = await host.run([service.systemctl, ...words], run)
  if (exitCode === 0) return
  const code = words[0] === 'stop' ? 'HAPROXY_STOP_FAILED' : 'HAPROXY_START_FAILED'
  throw new HaproxyError(code, { operation: `run "systemctl ${words.join(' ')}"`, detail: stderr.trim().slice(-500) })
}
