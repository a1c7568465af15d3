import type { Slot } from '@puppy/accounts'
import { planRoutes, type Haproxy, type RouteResult } from '@puppy/haproxy'
import type { Verdict } from '@puppy/state'
import { exclusive } from '../exclusive.ts'
import { servedNothing, type Facility, type Given, type Served, type Step, type View } from './facility.ts'

const name = 'haproxy'

/** The front door, with the means to look after it between reconciles. */
export interface HaproxyFacility extends Facility {
  /** Starts HAProxy again if it is dead. Cheap while it lives. Gives whether it had to. */
  revive(signal: AbortSignal): Promise<boolean>
}

/** Routes of domains, and counters. Certificates that were left out are told as remarks. */
export function haproxyFacility(proxy: Haproxy): HaproxyFacility {
  const alone = exclusive()
  let wanted = false
  return Object.freeze<HaproxyFacility>({
    name,
    judges: ['domains'],
    probe: async (signal: AbortSignal) => {
      const state = await proxy.probe({ signal })
      // One that runs is ours to talk to, also while its package is being replaced.
      return state.works ? state : { ...state, works: await proxy.alive() }
    },
    prepare: async (signal: AbortSignal): Promise<Step<readonly string[]>> => ({
      changes: [...(await proxy.planConfig({ signal })), ...(await proxy.planRunning())],
      apply: () =>
        alone(async () => {
          const { refused, warnings } = await proxy.ensureConfig({ signal })
          await proxy.ensureRunning({ signal })
          wanted = true
          return [
            ...refused.map(({ path, error }) => `The certificate ${path} is not served: ${error.message}`),
            ...warnings,
          ]
        }),
    }),
    serve: (view: View, signal: AbortSignal) => alone(() => serve(proxy, view, signal, alone)),
    evict: async (slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>> => ({
      changes: [],
      apply: () => alone(() => clear(proxy, slots, signal)),
    }),
    revive: async (signal: AbortSignal) => {
      if (!wanted || (await proxy.alive())) return false
      return alone(async () => (await proxy.ensureRunning({ signal })).started)
    },
  })
}

async function serve(
  proxy: Haproxy,
  view: View,
  signal: AbortSignal,
  alone: ReturnType<typeof exclusive>,
): Promise<Step<Served>> {
  const table = {
    routes: view.routes.map(({ domain, port }) => ({ domain, port })),
    suspended: view.suspended,
  }
  const observed = await proxy.readRoutes({ signal })
  return {
    changes: planRoutes(table, observed),
    apply: () =>
      alone(async () => {
        const { results, running } = await proxy.applyRoutes(table, { signal, observed })
        return judge(view, new Map(results.map((result) => [result.target, result])), running)
      }),
  }
}

function judge(view: View, results: ReadonlyMap<string, RouteResult>, running: boolean): Served {
  const verdict = (domain: string): Verdict => {
    const result = results.get(domain)
    if (!running)
      return {
        type: name,
        status: 'false',
        reason: 'not_running',
        message: 'HAProxy does not run; the route waits on disk',
      }
    if (result?.ok === false)
      return {
        type: name,
        status: 'false',
        reason: 'route_failed',
        message: result.error?.message ?? 'the route is not there',
      }
    return { type: name, status: 'true', reason: 'routed' }
  }
  const stillThere = (domain: string) => results.get(domain)?.ok === false
  return {
    ...servedNothing,
    domains: new Map(view.routes.map(({ id, domain }) => [id, verdict(domain)])),
    gone: view.goneRoutes.filter(({ domain }) => !stillThere(domain)).map(({ id }) => id),
  }
}

/** The counters' key is the slot: without this the next tenant would begin with the last one's figures. */
async function clear(proxy: Haproxy, slots: readonly Slot[], signal: AbortSignal): Promise<ReadonlyMap<number, Given>> {
  const results = await proxy.clearUsage(
    slots.map(({ n }) => n),
    { signal },
  )
  const failed = new Map(
    results.filter(({ ok }) => !ok).map(({ slot, error }) => [slot, error?.message ?? 'its counters are still there']),
  )
  return new Map(
    slots.map(({ n }) => {
      const message = failed.get(n)
      return [n, message === undefined ? { done: true } : { done: false, message }]
    }),
  )
}
