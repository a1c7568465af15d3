import { haproxyProgram, peersFolderCommand, type ProxyContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'
import { serviceCommand } from './command.ts'
import { planContexts, readPolicy } from './selinux.ts'
import { renderUnit } from './unit.ts'

/** A systemd that runs this machine and the unit that HAProxy has in it. */
export interface ProxyService {
  readonly unit: string
  readonly systemctl: string
}

/** The unit to use, or undefined: none was named, the host is only a folder, or systemd does not run it. */
export async function findService({ host, settings }: ProxyContext): Promise<ProxyService | undefined> {
  if (settings.service === undefined || !host.live) return undefined
  if ((await host.status('/run/systemd/system'))?.kind !== 'folder') return undefined
  const systemctl = host.program('systemctl')
  return systemctl === undefined
    ? undefined
    : { unit: `${settings.service.replace(/\.service$/, '')}.service`, systemctl }
}

function unitFile({ unit }: ProxyService): string {
  return `/etc/systemd/system/${unit}`
}

/** Writes the unit, has systemd read it, and starts it now and at every boot. @throws HaproxyError `HAPROXY_START_FAILED` */
export async function startService(
  context: ProxyContext,
  service: ProxyService,
  options: RuntimeOptions = {},
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

/** Stops the unit; it starts again at the next boot. */
export async function stopService(
  context: ProxyContext,
  service: ProxyService,
  options: RuntimeOptions = {},
): Promise<void> {
  if ((await context.host.status(unitFile(service))) === undefined) return
  await systemctl(context, service, ['stop', service.unit], options)
}

/** Makes systemd forget the unit. */
export async function removeService(
  context: ProxyContext,
  service: ProxyService,
  options: RuntimeOptions = {},
): Promise<void> {
  if ((await context.host.status(unitFile(service))) === undefined) return
  await systemctl(context, service, ['disable', service.unit], options)
  await context.host.remove(unitFile(service))
  await systemctl(context, service, ['daemon-reload'], options)
}

async function systemctl(
  { host }: ProxyContext,
  service: ProxyService,
  words: readonly string[],
  options: RuntimeOptions,
): Promise<void> {
  const { exitCode, stderr } = await host.run([service.systemctl, ...words], {
    touches: 'machine',
    timeout: 60_000,
    accept: [0, 1, 2, 3, 4, 5],
    daemon: true,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  if (exitCode === 0) return
  const code = words[0] === 'stop' ? 'HAPROXY_STOP_FAILED' : 'HAPROXY_START_FAILED'
  throw new HaproxyError(code, { operation: `systemctl ${words.join(' ')}`, detail: stderr.trim().slice(-500) })
}
