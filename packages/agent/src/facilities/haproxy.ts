import type { Slot } from '@puppy/accounts'
import { HaproxyError, type ConfigSpec, type Haproxy, type HaproxyProbe, type RouteResult } from '@puppy/haproxy'
import type { EffectOptions } from '@puppy/host'
import type { FacilityState } from '@puppy/state/store/hosts'
import type { Verdict } from '@puppy/state'
import { exclusive } from '../exclusive.ts'
import { servedNothing, type Facility, type Given, type Served, type Step, type View } from './facility.ts'

const name = 'haproxy'

/** The proxy as the agent uses it. */
export interface HaproxyFacility extends Facility {
  /** Starts HAProxy again if it has ended. Cheap while it runs. Returns whether it started it. */
  revive(signal: AbortSignal): Promise<boolean>
}

/** Creates the facility that routes domains and clears counters. Reports certificates that are not served as remarks. */
export function haproxyFacility(proxy: Haproxy, spec: ConfigSpec): HaproxyFacility {
  const alone = exclusive()
  let wanted = false
  return Object.freeze<HaproxyFacility>({
    name,
    judges: ['domains'],
    probe: async (signal: AbortSignal) => {
      const state = stateOf(await proxy.config.probe({ signal }))
      // A HAProxy that runs can be used, also while its package is being upgraded.
      return state.works ? state : { ...state, works: await proxy.alive() }
    },
    prepare: async (signal: AbortSignal): Promise<Step<readonly string[]>> => {
      const changeSet = proxy.config.plan(spec, await proxy.config.read(spec, { signal }))
      return {
        changes: changeSet.changes,
        apply: () =>
          alone(async () => {
            const { results, warnings } = await applyPlanned(proxy.config, spec, changeSet, signal)
            wanted = true
            const failed = results.flatMap(({ error }) => (error === undefined ? [] : [error.message]))
            return [...failed, ...warnings]
          }),
      }
    },
    serve: (view: View, signal: AbortSignal) => serve(proxy, spec, view, signal, alone),
    evict: async (slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>> => ({
      changes: [],
      apply: () => alone(() => clear(proxy, slots, signal)),
    }),
    revive: async (signal: AbortSignal) => {
      if (!wanted || (await proxy.alive())) return false
      return alone(async () => (await proxy.ensureRunning(spec, { signal })).started)
    },
  })
}

function stateOf({ works, version, error, steps }: HaproxyProbe): FacilityState {
  return {
    works,
    ...(version === undefined ? {} : { version }),
    ...(error === undefined ? {} : { reason: error.message }),
    ...(steps.length === 0 ? {} : { remedy: steps.join(', then ') }),
  }
}

interface Planner<Spec, Planned, Done> {
  apply(changeSet: Planned, options: EffectOptions): Promise<Done>
  ensure(spec: Spec, options: EffectOptions): Promise<Done>
}

/** Applies the planned change set. If HAProxy was started or ended in between, reads and plans again. */
async function applyPlanned<Spec, Planned, Done>(
  facility: Planner<Spec, Planned, Done>,
  spec: Spec,
  changeSet: Planned,
  signal: AbortSignal,
): Promise<Done> {
  try {
    return await facility.apply(changeSet, { signal })
  } catch (error) {
    if (!(error instanceof HaproxyError) || error.code !== 'HAPROXY_MOVED') throw error
    return facility.ensure(spec, { signal })
  }
}

async function serve(
  proxy: Haproxy,
  { firstPort, portsPerSlot, slots }: ConfigSpec,
  view: View,
  signal: AbortSignal,
  alone: ReturnType<typeof exclusive>,
): Promise<Step<Served>> {
  const routes = view.routes.map(({ domain, port }) => ({ domain, port }))
  const spec = { firstPort, portsPerSlot, slots, routes, suspended: view.suspended }
  const changeSet = proxy.routes.plan(spec, await alone(() => proxy.routes.read(spec, { signal })))
  return {
    changes: changeSet.changes.map(({ map: _map, key: _key, ...change }) => change),
    apply: () =>
      alone(async () => {
        const { results, running } = await applyPlanned(proxy.routes, spec, changeSet, signal)
        return judge(view, new Map(results.map((result) => [result.target, result])), running)
      }),
  }
}

function judge(view: View, results: ReadonlyMap<string, RouteResult>, running: boolean): Served {
  const verdict = (domain: string): Verdict => {
    const error = results.get(domain)?.error
    if (!running)
      return {
        type: name,
        status: 'false',
        reason: 'not_running',
        message:
          'HAProxy is not running, so the domain is not served until it starts; GET /v1/hosts shows the reason to the operator',
      }
    if (error !== undefined) return { type: name, status: 'false', reason: 'route_failed', message: error.message }
    return { type: name, status: 'true', reason: 'routed' }
  }
  return {
    ...servedNothing,
    domains: new Map(view.routes.map(({ id, domain }) => [id, verdict(domain)])),
    gone: view.goneRoutes.filter(({ domain }) => results.get(domain)?.error === undefined).map(({ id }) => id),
  }
}

/** Clears the counters of slots. Their key is the slot, so the next tenant would otherwise start with the counts of the last one. */
async function clear(proxy: Haproxy, slots: readonly Slot[], signal: AbortSignal): Promise<ReadonlyMap<number, Given>> {
  const results = await proxy.clearUsage(
    slots.map(({ n }) => n),
    { signal },
  )
  const failed = new Map(
    results.flatMap(({ slot, error }) => (error === undefined ? [] : [[slot, error.message] as const])),
  )
  return new Map(
    slots.map(({ n }) => {
      const message = failed.get(n)
      return [n, message === undefined ? { done: true } : { done: false, message }]
    }),
  )
}
