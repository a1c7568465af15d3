import { isDeepStrictEqual } from 'node:util'
import type { Applied, EffectOptions, ItemResult } from '@puppy/host'
import type { LocationContext } from '../context.ts'
import { assertNotAborted, HaproxyError, isHaproxyError } from '../errors.ts'
import { applyMap } from '../runtime/maps.ts'
import { renderMapFile, repairMapText, soundRows, type MapName } from './map-file.ts'
import { changeRows, planRoutes, type RouteChange, type RouteChangeSet } from './plan.ts'
import { readMapTexts, readRoutes, type ObservedRoutes } from './read.ts'

/** What became of one domain or one suspension. */
export interface RouteResult extends ItemResult<HaproxyError> {}

/** What applying a change set did. `results` has also one for each row that was removed. */
export interface AppliedRoutes extends Applied<RouteResult, RouteChange> {
  /** Whether a worker took the rows. When false they are on disk, and the next start reads them. */
  readonly running: boolean
}

/** Suspensions go first: a domain that moves to a suspended slot is not served in between. */
const maps = ['suspended', 'hosts'] as const satisfies MapName[]

/**
 * Performs the changes of a change set: on disk, then in the worker, and then reads both back.
 *
 * A killed process leaves the disk ahead of the worker at most, which the next change set has. The worker is changed row by
 * row, or all at once when much changes.
 *
 * @throws HaproxyError `HAPROXY_MOVED` when a map is not what was planned with; `HAPROXY_ABORTED`; as `Runtime.send`.
 *   HostError when a file cannot be written.
 */
export async function applyRoutes(
  context: LocationContext,
  changeSet: RouteChangeSet,
  options: EffectOptions = {},
): Promise<AppliedRoutes> {
  const { changes, observed } = changeSet
  const running = observed.running !== undefined
  if (changes.length === 0) return { changed: false, changes, results: resultsOf(changeSet, observed), running }
  assertNotAborted(options.signal, 'change the routes')
  assertSame(await readRoutes(context, options), observed)
  await writeFiles(context, changeSet)
  await writeWorker(context, changeSet, options)
  const after = await readRoutes(context, options)
  return { changed: true, changes, results: resultsOf(changeSet, after), running: after.running !== undefined }
}

function assertSame(now: ObservedRoutes, observed: ObservedRoutes): void {
  if (isDeepStrictEqual(now, observed)) return
  const detail = 'a map changed after the change set was planned; plan again'
  throw new HaproxyError('HAPROXY_MOVED', { operation: 'apply a change set to the routes', detail })
}

/** Writes the files of the maps whose rows change on disk. */
async function writeFiles({ host, files }: LocationContext, { changes, observed }: RouteChangeSet): Promise<void> {
  for (const map of maps) {
    const rows = changeRows(observed.disk[map], changes, map)
    if (isDeepStrictEqual(rows, observed.disk[map])) continue
    await host.replace(files[map], renderMapFile(soundRows(rows)), { mode: 0o600 })
  }
}

async function writeWorker(
  { runtime }: LocationContext,
  { changes, observed }: RouteChangeSet,
  options: EffectOptions,
): Promise<void> {
  if (observed.running === undefined) return
  try {
    for (const map of maps) {
      const seen = observed.running[map]
      await applyMap(runtime, `${map}.map`, changeRows(seen, changes, map), seen, options)
    }
  } catch (error) {
    // It ended meanwhile: the disk is right, and the next start reads it.
    if (!isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) throw error
  }
}

/** Returns one result for each row of the spec and each removed row. A row that is in a second change set failed. */
function resultsOf({ spec, targets, changes, refused }: RouteChangeSet, after: ObservedRoutes): readonly RouteResult[] {
  const left = new Map(planRoutes(spec, after).changes.map((change) => [change.target, change]))
  const planned = new Set(changes.map(({ target }) => target))
  return [
    ...[...new Set([...targets, ...planned])].map((target) => {
      const change = left.get(target)
      if (change === undefined) return { target, changed: planned.has(target) }
      return { target, changed: false, error: differs(change) }
    }),
    ...refused.map(({ target, error }) => ({ target, changed: false, error })),
  ]
}

function differs({ target, before = 'absent', after = 'absent' }: RouteChange): HaproxyError {
  const detail = `it is ${before} and should be ${after}`
  return new HaproxyError('HAPROXY_READBACK_DIFFERS', { operation: 'route', target, detail })
}

/** Makes both map files exist and hold rows that HAProxy can load. */
export async function ensureMapFiles({ host, files }: Pick<LocationContext, 'host' | 'files'>): Promise<void> {
  const texts = await readMapTexts({ host, files })
  for (const map of maps) {
    const text = repairMapText(texts[map])
    if (text !== undefined) await host.replace(files[map], text, { mode: 0o600 })
  }
}
