import { findTool, installStep, runOptions, runsSystemd, type EffectOptions, type Host, type Probe } from '@puppy/host'
import { haproxyProgram, type LocationContext } from './context.ts'
import { HaproxyError } from './errors.ts'
import { isSupported, oldestVersion, parseVersion } from './version.ts'

/** The state of HAProxy on this machine. Feature `service`: systemd starts HAProxy at boot and restarts it when it dies. */
export type HaproxyProbe = Probe<HaproxyError, 'service'>

/** Checks whether the program is installed and can run the configuration. Runs `haproxy -vv`. Never throws. */
export async function readProbe(
  { host, settings }: LocationContext,
  options: EffectOptions = {},
): Promise<HaproxyProbe> {
  const features = { service: await probeService(host, settings.service) }
  try {
    const { stdout } = await host.run([haproxyProgram(host), '-vv'], runOptions('nothing', options))
    return { ...probeVersion(stdout), features }
  } catch (cause) {
    return { ...failed(cause instanceof HaproxyError ? cause : broken(cause)), features }
  }
}

/** Returns whether the program with this output of `haproxy -vv` can run the configuration. Pure. */
export function probeVersion(output: string): Omit<HaproxyProbe, 'features'> {
  const version = parseVersion(output)
  const oldest = `${oldestVersion.major}.${oldestVersion.minor}`
  const steps = [`install HAProxy ${oldest} or newer, built with OpenSSL and Lua`]
  const unsupported = (detail: string) =>
    failed(new HaproxyError('HAPROXY_UNSUPPORTED', { operation: 'use the program haproxy', detail, steps }))
  if (version === undefined) return unsupported('"haproxy -vv" prints no version')
  const known = { version: version.text }
  if (!isSupported(version)) return { ...unsupported(`version ${version.text} is older than ${oldest}`), ...known }
  if (!version.openssl) return { ...unsupported('it was built without OpenSSL'), ...known }
  if (!version.lua) return { ...unsupported('it was built without Lua'), ...known }
  return { works: true, ...known, steps: [], warnings: [] }
}

function failed(error: HaproxyError): Omit<HaproxyProbe, 'features'> {
  return { works: false, error, steps: error.facts.steps ?? [], warnings: [] }
}

function broken(cause: unknown): HaproxyError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  const steps = [installStep('haproxy')]
  return new HaproxyError('HAPROXY_UNSUPPORTED', { operation: 'run the program haproxy', detail, steps, cause })
}

async function probeService(host: Host, service: string | undefined): Promise<HaproxyProbe['features']['service']> {
  const missing = (reason: string) => ({ works: false, reason, steps: [] })
  if (service === undefined) return missing('the setting service names no systemd unit')
  try {
    if (!(await runsSystemd(host))) return missing('systemd does not run on this machine')
  } catch (error) {
    return missing(error instanceof Error ? error.message : String(error))
  }
  if (findTool(host, 'systemctl') !== undefined) return { works: true, steps: [] }
  return { works: false, reason: 'systemctl is not installed', steps: [installStep('systemctl')] }
}
