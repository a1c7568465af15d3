import { faultsOf } from '@puppy/cgroups/limits'
import type { Database, PlanSpec, Queryable } from '@puppy/state'
import { limitsOf } from '@puppy/state/plan-spec'
import { ApiError } from '../errors.ts'
import { touchAccounts } from '@puppy/state/store/accounts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import { domainsBeyondPorts } from '@puppy/state/store/domains'
import { notify, wanted } from '@puppy/state/store/notify'
import { countPlans, findPlan, upsertPlan } from '@puppy/state/store/plans'

/**
 * Creates or replaces a plan. The agent then applies it to the accounts that have it.
 *
 * @throws ApiError `plan_limits` if its limits contradict each other; `plan_ports` if a domain points to a port that the plan would
 *   no longer include; `too_many_plans`.
 */
export async function putPlan(db: Database, actor: Actor, name: string, spec: PlanSpec): Promise<{ created: boolean }> {
  assertLimits(name, spec)
  return db.transaction(async (tx) => {
    const before = (await findPlan(tx, name, 'update'))?.spec
    if (before === undefined) await assertFewer(tx)
    const { created, changed } = await upsertPlan(tx, name, spec)
    if (!changed) return { created }
    // Before the check: this waits for transactions that hold the lock of an account of the plan in order to add a domain.
    const hosts = await touchAccounts(tx, { plan: name })
    const stranded = await domainsBeyondPorts(tx, { plan: name, ports: spec.ports })
    if (stranded !== undefined) {
      throw new ApiError(
        'plan_ports',
        `Domain ${stranded} points to a port that plan ${name} would not include with ports set to ${spec.ports}. Move the domain first.`,
        [{ pointer: '/ports', detail: `must include the port of domain ${stranded}` }],
      )
    }
    for (const host of hosts) await notify(tx, wanted, host)
    const action = created ? 'plan.create' : 'plan.replace'
    await writeAudit(tx, actor, { action, target: name, after: spec, ...(before === undefined ? {} : { before }) })
    return { created }
  })
}

/** More plans than a reseller sells. Two concurrent requests may exceed it by one. */
const mostPlans = 1000

async function assertFewer(tx: Queryable): Promise<void> {
  if ((await countPlans(tx)) < mostPlans) return
  throw new ApiError('too_many_plans', `The limit of ${mostPlans} plans is reached. Delete a plan first.`)
}

/** Throws `plan_limits` for limits that no host would apply together. The schema has checked each limit on its own. */
function assertLimits(plan: string, spec: PlanSpec): void {
  const faults = faultsOf(limitsOf(spec))
  if (faults.length === 0) return
  throw new ApiError(
    'plan_limits',
    `The limits of plan ${plan} contradict each other. ${faults.map(({ name, detail }) => `${name}: ${detail}`).join('; ')}.`,
    faults.map(({ name, detail }) => ({ pointer: `/${name.replace('.', '/')}`, detail })),
  )
}
