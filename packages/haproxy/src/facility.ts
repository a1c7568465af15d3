import type { Applied, Change, ChangeSet, EffectOptions, Facility, ItemResult } from '@puppy/host'
import { applyConfig, type AppliedConfig } from './config/apply.ts'
import { planConfig, type ConfigChangeSet, type ConfigResult, type ObservedConfig } from './config/plan.ts'
import { readConfig } from './config/read.ts'
import { withSpec, type LocationContext } from './context.ts'
import { isHaproxyError } from './errors.ts'
import { readProbe, type HaproxyProbe } from './probe.ts'
import { applyRoutes, type AppliedRoutes, type RouteResult } from './routes/apply.ts'
import { planRoutes, type RouteChangeSet } from './routes/plan.ts'
import { readRoutes, type ObservedRoutes } from './routes/read.ts'
import type { RouteSpec } from './routes/spec.ts'
import type { ConfigSpec } from './settings.ts'

/** The configuration and the process. Installs `haproxy.cfg` and the certificate list, and makes HAProxy run with them. */
export interface ConfigFacility extends Facility<
  ConfigSpec,
  ObservedConfig,
  ConfigChangeSet,
  ConfigResult,
  HaproxyProbe
> {
  apply(changeSet: ConfigChangeSet, options?: EffectOptions): Promise<AppliedConfig>
  ensure(spec: ConfigSpec, options?: EffectOptions): Promise<AppliedConfig>
}

/** The routes: the rows of two maps, on disk and in the running worker. */
export interface RouteFacility extends Facility<RouteSpec, ObservedRoutes, RouteChangeSet, RouteResult, HaproxyProbe> {
  apply(changeSet: RouteChangeSet, options?: EffectOptions): Promise<AppliedRoutes>
  ensure(spec: RouteSpec, options?: EffectOptions): Promise<AppliedRoutes>
}

/** Creates the facility for the configuration and the process of one HAProxy instance. Touches nothing. */
export function configFacility(context: LocationContext): ConfigFacility {
  return createFacility<ConfigSpec, ObservedConfig, ConfigChangeSet, AppliedConfig>({
    probe: (options) => readProbe(context, options),
    read: async (spec, options) => readConfig(withSpec(context, spec), options),
    plan: planConfig,
    apply: (changeSet, options) => applyConfig(context, changeSet, options),
  })
}

/** Creates the facility for the routes of one HAProxy instance. Touches nothing. */
export function routeFacility(context: LocationContext): RouteFacility {
  return createFacility<RouteSpec, ObservedRoutes, RouteChangeSet, AppliedRoutes>({
    probe: (options) => readProbe(context, options),
    read: (_spec, options) => readRoutes(context, options),
    plan: planRoutes,
    apply: (changeSet, options) => applyRoutes(context, changeSet, options),
  })
}

interface Verbs<Spec, Observed, Planned, Done> {
  probe(options?: EffectOptions): Promise<HaproxyProbe>
  read(spec: Spec, options?: EffectOptions): Promise<Observed>
  plan(spec: Spec, observed: Observed): Planned
  apply(changeSet: Planned, options?: EffectOptions): Promise<Done>
}

/** How often `ensure` reads and plans again when the machine changes in between. */
const turns = 3

function createFacility<Spec, Observed, Planned extends ChangeSet<Change>, Done extends Applied<ItemResult>>(
  verbs: Verbs<Spec, Observed, Planned, Done>,
) {
  const ensure = async (spec: Spec, options?: EffectOptions): Promise<Done> => {
    for (let turn = 1; ; turn++) {
      const changeSet = verbs.plan(spec, await verbs.read(spec, options))
      try {
        return await verbs.apply(changeSet, options)
      } catch (error) {
        if (turn === turns || !isHaproxyError(error, 'HAPROXY_MOVED')) throw error
      }
    }
  }
  return Object.freeze({ ...verbs, ensure })
}
