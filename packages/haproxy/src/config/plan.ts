import type { Change, ChangeSet, ItemResult } from '@puppy/host'
import type { HaproxyError } from '../errors.ts'
import { repairMapText, type MapName } from '../routes/map-file.ts'
import type { ConfigSpec, ProxyLocation } from '../settings.ts'
import { renderBundle, sameBundle, type Bundle } from './bundle.ts'
import { parseCrtList, type Certificates, type RefusedCertificate } from './certificates.ts'
import { configDescription } from './render.ts'

/** The running process. */
export interface ObservedProcess {
  /** The process id of the master. */
  readonly pid: number
  /** Whether the pid file names it. */
  readonly named: boolean
  /** The description of the configuration that the worker was started with; see `configDescription`. Absent: not one of ours. */
  readonly description?: string
}

/** The observed state that `planConfig` compares a spec with. */
export interface ObservedConfig {
  /** Paths as HAProxy sees them. */
  readonly location: ProxyLocation
  /** Whether the machine has IPv6. This decides how `:80` is rendered. */
  readonly ipv6: boolean
  /** The certificates of the spec. */
  readonly certificates: Certificates
  /** The installed files. Absent before the first installation. */
  readonly installed?: Bundle
  /** The last files that a worker ran with. */
  readonly good?: Bundle
  /** The texts of the map files. Absent: the file does not exist. */
  readonly maps: Readonly<Partial<Record<MapName, string>>>
  /** Absent: HAProxy does not run. */
  readonly process?: ObservedProcess
  /** The command that starts HAProxy, as text to show. Absent while HAProxy runs, and when it is not installed. */
  readonly startCommand?: string
}

/**
 * One planned change of the configuration. `target` is `haproxy.cfg`, `certificates.crt-list`, `request-body.lua`, `haproxy.cfg.good`,
 * `hosts.map`, `suspended.map`, `haproxy.pid`, `process` or the path of a certificate.
 */
export interface ConfigChange extends Change {
  readonly facility: 'haproxy'
  readonly action: 'add' | 'set' | 'remove' | 'start' | 'reload'
}

/** The differences between a configuration and its spec. */
export interface ConfigChangeSet extends ChangeSet<ConfigChange, HaproxyError> {
  readonly refused: readonly RefusedCertificate[]
  readonly spec: ConfigSpec
  readonly observed: ObservedConfig
  /** The files that will be installed. */
  readonly bundle: Bundle
}

/** The result for `haproxy.cfg`, for the `process`, or for one certificate. */
export interface ConfigResult extends ItemResult<HaproxyError> {}

/**
 * Returns the change set that installs a configuration and makes HAProxy run with it. Pure.
 *
 * A certificate that cannot be served is refused. The other certificates are still served.
 *
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID`
 */
export function planConfig(spec: ConfigSpec, observed: ObservedConfig): ConfigChangeSet {
  const { location, certificates, ipv6 } = observed
  const bundle = renderBundle({ ...spec, ...location }, certificates, ipv6)
  const running = planProcess(observed, bundle)
  const changes = [
    ...planMaps(observed),
    ...planCertificates(observed.installed, bundle),
    ...planFile('request-body.lua', observed.installed?.script, bundle.script),
    ...planFile('haproxy.cfg', observed.installed?.config, bundle.config),
    ...running,
    ...(running.length > 0 ? [] : planGood(observed, bundle)),
  ]
  return { changes, refused: certificates.refused, spec, observed, bundle }
}

/** Returns the targets of a spec. Each has one result. Pure. */
export function configTargets({ certificates }: Pick<ObservedConfig, 'certificates'>): readonly string[] {
  const served = certificates.served.map(({ path }) => path)
  return ['haproxy.cfg', 'process', ...served, ...certificates.refused.map(({ target }) => target)]
}

/** HAProxy does not start when a map file is missing or has a row that it cannot load. */
function planMaps({ maps }: ObservedConfig): readonly ConfigChange[] {
  return (['suspended', 'hosts'] as const).flatMap((name) =>
    planFile(`${name}.map`, maps[name], repairMapText(name, maps[name]) ?? maps[name]),
  )
}

function planCertificates(installed: Bundle | undefined, { crtList }: Bundle): readonly ConfigChange[] {
  if (installed?.crtList === crtList) return []
  const [before, after] = [parseCrtList(installed?.crtList ?? '').served, parseCrtList(crtList ?? '').served]
  const paths = [...new Set([...before.keys(), ...after.keys()])]
  const changes = paths.flatMap((path) => planValue(path, before.get(path), after.get(path)))
  return changes.length > 0 ? changes : planFile('certificates.crt-list', installed?.crtList, crtList)
}

function planProcess({ process, startCommand }: ObservedConfig, { config }: Bundle): readonly ConfigChange[] {
  const description = configDescription(config)
  const after = description === undefined ? {} : { after: description }
  if (process === undefined) {
    const command = startCommand === undefined ? {} : { command: startCommand }
    return [{ ...change('process', 'start'), ...after, ...command }]
  }
  if (process.description !== description) {
    const before = process.description ?? 'another configuration'
    return [{ ...change('process', 'reload'), before, ...after, command: `kill -USR2 ${process.pid}` }]
  }
  return process.named ? [] : [{ ...change('haproxy.pid', 'set'), after: String(process.pid) }]
}

/** Plans the copy of a bundle that a worker runs with. */
function planGood({ good }: ObservedConfig, bundle: Bundle): readonly ConfigChange[] {
  if (sameBundle(good, bundle)) return []
  return [change('haproxy.cfg.good', good === undefined ? 'add' : 'set')]
}

function planFile(target: string, before: string | undefined, after: string | undefined): readonly ConfigChange[] {
  if (before === after) return []
  const sizeOf = (text: string | undefined) => (text === undefined ? undefined : `${Buffer.byteLength(text)} bytes`)
  return [described(target, sizeOf(before), sizeOf(after))]
}

function planValue(target: string, before: string | undefined, after: string | undefined): readonly ConfigChange[] {
  return before === after ? [] : [described(target, before, after)]
}

function described(target: string, before: string | undefined, after: string | undefined): ConfigChange {
  const action = before === undefined ? 'add' : after === undefined ? 'remove' : 'set'
  return {
    ...change(target, action),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  }
}

function change(target: string, action: ConfigChange['action']): ConfigChange {
  return { facility: 'haproxy', target, action }
}
