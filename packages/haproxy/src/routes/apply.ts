import { isDeepStrictEqual } from 'node:util'
import type { Applied, EffectOptions, ItemResult } from '@puppy/host'
import type { LocationContext } from '../context.ts'
import { assertNotAborted, HaproxyError, isHaproxyError } from '../errors.ts'
import { applyMap, type MapRow } from '../runtime/maps.ts'
import { renderMapFile, repairMapText, soundRows, type MapName } from './map-file.ts'
import { changeRows, planRoutes, type RouteChange, type RouteChangeSet } from './plan.ts'
import { readMapTexts, readRoutes, type ObservedRoutes } from './read.ts'

/** The result for one domain or one suspension. */
export interface RouteResult extends ItemResult<HaproxyError> {}

/** The result of applying a change set. `results` also has one entry for each removed row. */
export interface AppliedRoutes extends Applied<RouteResult, RouteChange> {
  /** Whether a running worker has the rows. When false, they are on disk only, and the next start reads them. */
  readonly running: boolean
}

/** Suspensions are written first, so that a domain that moves to a suspended slot is not served in between. */
const maps = ['suspended', 'hosts'] as const satisfies MapName[]

/**
 * Applies a change set: writes the files, then changes the worker, then reads both back.
 *
 * If the process is killed in between, the disk is ahead of the worker, and the next change set contains the difference. The worker is
 * changed row by row, or a whole map at once when many rows change.
 *
 * @throws HaproxyError `HAPROXY_MOVED` when a map changed after the change set was planned; `HAPROXY_ABORTED`; as `Runtime.send`.
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
  const now = await readRoutes(context, options)
  assertSame(now, observed)
  await writeFiles(context, changeSet)
  await writeWorker(context, changes, now, options)
  const after = await readRoutes(context, options)
  return { changed: true, changes, results: resultsOf(changeSet, after), running: after.running !== undefined }
}

function assertSame(now: ObservedRoutes, observed: ObservedRoutes): void {
  if (isDeepStrictEqual(withoutReferences(now), withoutReferences(observed))) return
  const detail = 'a map changed after the change set was planned; read and plan again'
  throw new HaproxyError('HAPROXY_MOVED', { operation: 'apply a change set to the routes', detail })
}

/** A reload between plan and apply changes the references of all rows and nothing else. */
function withoutReferences({ disk, running }: ObservedRoutes): unknown {
  const bare = (rows: readonly MapRow[] = []) => rows.map(({ key, value }) => [key, value])
  return [disk, running === undefined, bare(running?.hosts), bare(running?.suspended)]
}

/** Writes the files of the maps whose rows change on disk. */
async function writeFiles({ host, files }: LocationContext, { changes, observed }: RouteChangeSet): Promise<void> {
  for (const map of maps) {
    const rows = changeRows(observed.disk[map], changes, map)
    if (isDeepStrictEqual(rows, observed.disk[map])) continue
    await host.replace(files[map], renderMapFile(soundRows(map, rows)), { mode: 0o600 })
  }
}

async function writeWorker(
  { runtime }: LocationContext,
  changes: readonly RouteChange[],
  { running }: ObservedRoutes,
  options: EffectOptions,
): Promise<void> {
  if (running === undefined) return
  try {
    for (const map of maps) {
      const seen = running[map]
      await applyMap(runtime, `${map}.map`, changeRows(seen, changes, map), seen, options)
    }
  } catch (error) {
    // HAProxy ended in between. The files are right, and the next start reads them.
    if (!isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) throw error
  }
}

/** Returns one result for each row of the spec and each removed row. A row that a later plan still wants to change has failed. */
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
  const detail = `after the change it is ${before} and should be ${after}; apply again`
  return new HaproxyError('HAPROXY_READBACK_DIFFERS', { operation: 'route', target, detail })
}

/** Creates missing map files, and removes rows that HAProxy cannot load. */
export async function ensureMapFiles({ host, files }: Pick<LocationContext, 'host' | 'files'>): Promise<void> {
  const texts = await readMapTexts({ host, files })
  for (const map of maps) {
    const text = repairMapText(map, texts[map])
    if (text !== undefined) await host.replace(files[map], text, { mode: 0o600 })
  }
}
