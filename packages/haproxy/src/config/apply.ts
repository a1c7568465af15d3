import { isDeepStrictEqual } from 'node:util'
import { effectTimeout, type Applied, type EffectOptions, type Lock } from '@puppy/host'
import { makeFolders, withSpec, type LocationContext, type ProxyContext } from '../context.ts'
import { assertNotAborted, HaproxyError } from '../errors.ts'
import { startHaproxy } from '../lifecycle/start.ts'
import { writePidFile } from '../lifecycle/worker.ts'
import { repairMapText, type MapName } from '../routes/map-file.ts'
import type { Bundle } from './bundle.ts'
import type { RefusedCertificate } from './certificates.ts'
import { checkBundle, type CheckedBundle } from './check.ts'
import { installBundle, keepGood } from './files.ts'
import { configTargets, planConfig, type ConfigChange, type ConfigChangeSet, type ConfigResult } from './plan.ts'
import { readConfig } from './read.ts'
import { reloadConfig } from './reload.ts'
import { configDescription } from './render.ts'

/** The result of applying a configuration. */
export interface AppliedConfig extends Applied<ConfigResult, ConfigChange> {
  readonly started: boolean
  readonly reloaded: boolean
  /** The warnings of HAProxy's own check. Empty when no file changed, because the check does not run then. */
  readonly warnings: readonly string[]
}

/**
 * Applies a change set: checks and installs the files, starts or reloads HAProxy, then reads files and process back. Holds the lock of the
 * npm package proper-lockfile for `haproxy.cfg` during that time.
 *
 * An empty change set writes nothing and runs nothing. When HAProxy refuses the files or cannot be reloaded with them, the running HAProxy
 * does not change and the last good files stay installed.
 *
 * @throws HaproxyError `HAPROXY_MOVED` when the files or the process changed after the change set was planned; `HAPROXY_CONFIG_INVALID`,
 *   `HAPROXY_ADDRESS_IN_USE`, `HAPROXY_RELOAD_FAILED`, `HAPROXY_START_FAILED`, `HAPROXY_NOT_INSTALLED`,
 *   `HAPROXY_ABORTED`; HostError, for example `HOST_LOCK_TIMEOUT`.
 */
export async function applyConfig(
  location: LocationContext,
  changeSet: ConfigChangeSet,
  options: EffectOptions = {},
): Promise<AppliedConfig> {
  const { changes } = changeSet
  if (changes.length === 0) return unchanged(changeSet)
  assertNotAborted(options.signal, 'install the configuration')
  const context = withSpec(location, changeSet.spec)
  await makeFolders(context)
  await using lock = await lockConfig(context, options)
  await assertNotMoved(context, changeSet, options)
  await writeMaps(context, changeSet)
  const checked = await install(context, changeSet, lock, options)
  const did = await run(context, changeSet, checked, options)
  const after = planConfig(changeSet.spec, await readConfig(context, options))
  return {
    ...did,
    changed: true,
    changes,
    results: resultsOf(changeSet, checked.refused, after),
    warnings: checked.warnings,
  }
}

/** Takes the lock that an operator's own tool may hold for `haproxy.cfg`: the lock of proper-lockfile. */
function lockConfig({ host, files }: ProxyContext, { signal, timeout = effectTimeout }: EffectOptions): Promise<Lock> {
  const options = { visible: true, purpose: 'puppy haproxy', timeout }
  return host.lock(files.config, { ...options, ...(signal === undefined ? {} : { signal }) })
}

function unchanged(changeSet: ConfigChangeSet): AppliedConfig {
  const results = resultsOf(changeSet, [], changeSet)
  return { changed: false, changes: [], results, started: false, reloaded: false, warnings: [] }
}

async function assertNotMoved(context: ProxyContext, { observed }: ConfigChangeSet, options: EffectOptions) {
  const now = await readConfig(context, options)
  const relevant = ({ installed, good, maps, process, certificates }: typeof now) => ({
    installed,
    good,
    process,
    maps: repairsOf(maps),
    served: certificates.served,
  })
  if (isDeepStrictEqual(relevant(now), relevant(observed))) return
  throw new HaproxyError('HAPROXY_MOVED', {
    operation: 'apply the change set to',
    target: context.files.config,
    detail: 'a file, a certificate or the process changed after it was planned; read and plan again',
  })
}

/** Rows may change in between. Only whether HAProxy can load them counts. */
function repairsOf(maps: ConfigChangeSet['observed']['maps']): readonly (string | undefined)[] {
  return [repairMapText('hosts', maps.hosts), repairMapText('suspended', maps.suspended)]
}

async function writeMaps({ host, files }: ProxyContext, { changes, observed }: ConfigChangeSet): Promise<void> {
  for (const name of ['suspended', 'hosts'] satisfies MapName[]) {
    const text = repairMapText(name, observed.maps[name])
    if (text === undefined || !has(changes, `${name}.map`)) continue
    await host.replace(files[name], text, { mode: 0o600 })
  }
}

/** Checks and installs the files when one of them changes. */
async function install(
  context: ProxyContext,
  { changes, observed, bundle }: ConfigChangeSet,
  { lost }: Lock,
  options: EffectOptions,
): Promise<CheckedBundle> {
  const paths = new Set(['haproxy.cfg', 'certificates.crt-list', 'request-body.lua', ...pathsIn(changes)])
  if (!changes.some(({ target }) => paths.has(target))) return { ...bundle, refused: [], warnings: [] }
  const checked = await checkBundle(context, observed.certificates, observed.ipv6, options)
  lost.throwIfAborted()
  await installBundle(context, checked)
  return checked
}

/** Certificates are the only targets that are paths. */
function pathsIn(changes: readonly ConfigChange[]): readonly string[] {
  return changes.map(({ target }) => target).filter((target) => target.startsWith('/'))
}

/** Starts or reloads HAProxy, and keeps a copy of the files that it then runs with. */
async function run(
  context: ProxyContext,
  { changes, observed }: ConfigChangeSet,
  bundle: Bundle,
  options: EffectOptions,
): Promise<Pick<AppliedConfig, 'started' | 'reloaded'>> {
  const running = observed.process
  if (has(changes, 'haproxy.pid') && running !== undefined) await writePidFile(context, running.pid)
  const action = changes.find(({ target }) => target === 'process')?.action
  if (action === 'start') await startHaproxy(context, options)
  // The change may consist only of a certificate that HAProxy refused, and then there is nothing to reload.
  const reloaded = action === 'reload' && running?.description !== configDescription(bundle.config)
  if (reloaded) await reloadConfig(context, bundle, observed, options)
  if (action !== undefined || has(changes, 'haproxy.cfg.good')) await keepGood(context, bundle)
  return { started: action === 'start', reloaded }
}

function has(changes: readonly ConfigChange[], name: string): boolean {
  return changes.some(({ target }) => target === name)
}

/** Returns one result for each target of the spec. A target that a later plan still wants to change has failed. */
function resultsOf(
  { observed, refused, changes }: ConfigChangeSet,
  refusedNow: readonly RefusedCertificate[],
  after: ConfigChangeSet,
): readonly ConfigResult[] {
  const errors = new Map([...refused, ...refusedNow].map(({ target, error }) => [target, error]))
  const left = new Map(after.changes.map((change) => [change.target, change]))
  return configTargets(observed).map((target) => {
    const change = left.get(target)
    const error = errors.get(target) ?? (change === undefined ? undefined : differs(change))
    const changed = error === undefined && has(changes, target)
    return { target, changed, ...(error === undefined ? {} : { error }) }
  })
}

function differs({ target, before = 'absent', after = 'absent' }: ConfigChange): HaproxyError {
  const detail = `after the change it is ${before} and should be ${after}; apply again`
  return new HaproxyError('HAPROXY_READBACK_DIFFERS', { operation: 'install', target, detail })
}
