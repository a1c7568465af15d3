import { userMounts, type Slot, type SlotLayout } from '@puppy/accounts'
import { HostError, type Host } from '@puppy/host'
import { readMounts } from '@puppy/host/proc'
import { inspect, readContexts, readState, relabel, SelinuxError, type Policy } from '@puppy/selinux'
import { renderLevel, renderRange } from '@puppy/selinux/level'
import type { Verdict } from '@puppy/state'
import type { FacilityState } from '@puppy/state/store/hosts'
import {
  servedNothing,
  type Facility,
  type Finding,
  type Served,
  type SlotToBuild,
  type SlotVerdict,
  type SlotVerdicts,
  type Step,
  type View,
} from './facility.ts'
import { assertApplied } from '../selinux/change-set.ts'
import { cgroupModule } from '../sessions/cgroup-profile.ts'
import { viewModuleName } from '../sessions/view-profile.ts'
import { slotLabels, tenantModules, tenantOf, transactionTimes, type Standing } from '../selinux/slot-labels.ts'

const name = 'selinux'
/** The SELinux user of every tenant. */
const user = 'puppy_u'
/** Milliseconds. A home with a hundred thousand files takes longer; the next pass continues where this one stopped. */
const relabelFor = 10_000
/** How many homes are labelled at once. Each runs a few processes that wait for a disk. */
const atOnce = 4

/** Where slots get their levels. */
export interface SelinuxFacilityOptions {
  /** The host that runs tenants. When it is only a folder, this facility does not work: the policy belongs to the kernel. */
  readonly host: Host
  readonly layout: SlotLayout
  readonly policy: Policy
  /** Called when the levels of slots are requested from the policy, or are already there. */
  readonly asked?: () => void
}

/**
 * Creates the facility that assigns each slot its own level: for its login, its ports and its home. One transaction of the policy, in the
 * background, adds the levels of many slots. A slot is not ready until the policy has its level.
 *
 * Where SELinux is permissive, everything is labelled and no slot waits for it. The host's condition reports that nothing is denied.
 */
export function selinuxFacility({ host, layout, policy, asked }: SelinuxFacilityOptions): Facility {
  const labels = slotLabels(host, policy, { layout, verify: () => findFault(host) })
  /** Accounts whose home had the right level. If it is wrong later, it was changed from outside Puppy. */
  const seen = new Set<number>()
  let enforcing = true
  return Object.freeze<Facility>({
    name,
    judges: ['accounts'],
    probe: async () => {
      const found = await probe({ host, policy })
      enforcing = found.enforcing
      return found.state
    },
    prepare: async (): Promise<Step<readonly string[]>> => {
      await labels.reach(0)
      const standing = await labels.look()
      return {
        changes: loading(standing),
        apply: async () => {
          labels.start()
          asked?.()
          return [
            ...(enforcing ? [] : ['SELinux is permissive on this host and denies nothing; run "setenforce 1"']),
            ...(standing.status === 'failed' ? [standing.message] : []),
          ]
        },
      }
    },
    build: async (slots: readonly SlotToBuild[], signal: AbortSignal): Promise<Step<SlotVerdicts>> => {
      await labels.reach(Math.max(0, ...slots.map(({ slot }) => slot.n)))
      const open = slots.filter(({ state }) => state !== 'taken').map(({ slot }) => slot)
      const standing = await labels.look()
      const wrong = standing.status === 'stands' ? await findWrong(host, open, signal) : []
      return {
        changes: [...loading(standing), ...wrong.map(labelling)],
        apply: async () => {
          if (standing.status === 'stands') return labelHomes(host, wrong, signal)
          labels.start()
          if (!enforcing) return new Map()
          const { status, message } = standing
          return new Map(open.map(({ n }) => [n, { status: 'failed', reason: `policy_${status}`, message }]))
        },
      }
    },
    serve: async ({ tenants, builtSlots, complete }: View, signal: AbortSignal): Promise<Step<Served>> => {
      await labels.reach(builtSlots.at(-1)?.slot.n ?? 0)
      if (!complete && tenants.length === 0) return { changes: [], apply: async () => servedNothing }
      const standing = await labels.look()
      const slots = tenants.map(({ slot }) => slot)
      const wrong = standing.status === 'stands' ? await findWrong(host, slots, signal) : []
      return {
        changes: [...loading(standing), ...wrong.map(labelling)],
        apply: async () => {
          labels.start()
          const verdicts = await labelHomes(host, wrong, signal)
          const repaired = [
            ...(labels.lost() ? [`load the SELinux module ${tenantModules.slots}, which was removed`] : []),
            ...tenants
              .filter(({ id, slot }) => seen.has(id) && wrong.includes(slot))
              .map(({ slot }) => `relabel ${slot.home}`),
          ]
          const accounts = tenants.map((tenant): [number, Verdict] => {
            const verdict = verdictOf(standing, verdicts.get(tenant.slot.n), enforcing)
            if (verdict.status === 'true') seen.add(tenant.id)
            else seen.delete(tenant.id)
            return [tenant.id, verdict]
          })
          return {
            ...servedNothing,
            accounts: new Map(accounts),
            ...(repaired.length === 0 ? {} : { repaired: repaired.join(', ') }),
          }
        },
      }
    },
    inspect: async ({ builtSlots }: View): Promise<readonly Finding[]> => {
      const slots = builtSlots.map(({ slot }) => slot)
      const readable = new Set(await uncovered(host, slots))
      const tenants = slots.map((slot) => {
        const { home, ...tenant } = tenantOf(slot)
        return readable.has(slot) ? { ...tenant, home } : tenant
      })
      const findings = await inspect(host, tenants)
      await labels.reach(builtSlots.at(-1)?.slot.n ?? 0)
      const standing = await labels.look()
      const loaded = { works: standing.status === 'stands', what: 'levels of slots in the policy' }
      return [
        ...findings.map(({ check, holds, message }) =>
          holds ? { works: true, what: message } : { works: false, what: `SELinux: ${check}`, otherwise: message },
        ),
        standing.status === 'stands' ? loaded : { ...loaded, otherwise: standing.message },
      ]
    },
  })
}

/** Checks in the kernel whether the loaded policy isolates tenants. Returns what is wrong, or undefined. */
async function findFault(host: Host): Promise<string | undefined> {
  const faults = (await inspect(host, [])).filter(
    ({ check, holds }) => !holds && check !== 'mode' && check !== 'programs',
  )
  return faults.length === 0 ? undefined : faults.map(({ message }) => message).join('; ')
}

const install = 'apt-get install selinux-basics selinux-policy-default'
const disabled = `SELinux is off, so only file modes and the firewall isolate tenants; run "${install}" and "selinux-activate", then reboot`
const withoutLevels = `the SELinux policy has no levels and cannot isolate tenants; install one of type MCS: "${install}", then reboot`

interface Found {
  readonly state: FacilityState
  readonly enforcing: boolean
}

async function probe({ host, policy }: Pick<SelinuxFacilityOptions, 'host' | 'policy'>): Promise<Found> {
  const no = (reason: string): Found => ({ state: { works: false, reason }, enforcing: true })
  if (!host.live) return no('this host is only a folder (PUPPY_ROOT), and SELinux needs a real machine')
  const { error, state, features } = await policy.probe()
  if (state?.mode === 'disabled') return no(disabled)
  if (state !== undefined && !state.mls) return no(withoutLevels)
  if (error !== undefined || state === undefined) return no(error?.message ?? features.levels.reason ?? '')
  return {
    state: { works: true, version: `${state.type}, ${state.mode}` },
    enforcing: state.mode === 'enforcing',
  }
}

function loading(standing: Standing) {
  return standing.status === 'stands' ? [] : standing.changes
}

function labelling(slot: Slot) {
  return { facility: name, target: slot.home, action: 'label', after: renderLevel(tenantOf(slot).level) }
}

/** Returns the slots whose home is not below a mount of a user: such a mount may never answer. */
async function uncovered(host: Host, slots: readonly Slot[]): Promise<readonly Slot[]> {
  const points = new Set(userMounts(await readMounts(host)).map(({ mount }) => mount.mountPoint))
  return slots.filter(({ home }) => !points.has(home))
}

/** Finds the homes that exist and do not have their slot's level. Runs one process for all homes. */
async function findWrong(host: Host, slots: readonly Slot[], signal: AbortSignal): Promise<readonly Slot[]> {
  const homes = (await uncovered(host, slots)).map(({ home }) => home)
  const contexts = new Map((await readContexts(host, homes, { signal })).map(({ path, context }) => [path, context]))
  return slots.filter((slot) => {
    const context = contexts.get(slot.home)
    if (!contexts.has(slot.home)) return false
    const { user: owner, range } = context ?? {}
    return owner !== user || range === undefined || renderRange(range) !== renderLevel(tenantOf(slot).level)
  })
}

/** Labels homes. Returns a verdict for each home that could not be labelled. */
async function labelHomes(host: Host, slots: readonly Slot[], signal: AbortSignal): Promise<SlotVerdicts> {
  const verdicts = new Map<number, SlotVerdict>()
  for (let from = 0; from < slots.length; from += atOnce) {
    await Promise.all(
      slots.slice(from, from + atOnce).map(async (slot) => {
        const { home: path, level, uid } = tenantOf(slot)
        try {
          await relabel(host, { path, user, level, uid }, { types: true, signal, timeout: relabelFor })
        } catch (error) {
          signal.throwIfAborted()
          if (!(error instanceof SelinuxError) && !(error instanceof HostError)) throw error
          const reason = error.code === 'SELINUX_TIMEOUT' ? 'labelling' : 'label_failed'
          verdicts.set(slot.n, { status: 'failed', reason, message: error.message })
        }
      }),
    )
  }
  return verdicts
}

function verdictOf(standing: Standing, home: SlotVerdict | undefined, enforcing: boolean): Verdict {
  if (standing.status !== 'stands')
    return { type: name, status: 'false', reason: `policy_${standing.status}`, message: standing.message }
  if (home !== undefined) {
    const { reason = 'label_failed', message = 'labelling the home failed without an error message' } = home
    return { type: name, status: 'false', reason, message }
  }
  if (enforcing) return { type: name, status: 'true', reason: 'applied' }
  return {
    type: name,
    status: 'true',
    reason: 'permissive',
    message: 'SELinux is permissive on this host and denies nothing; the operator must run "setenforce 1"',
  }
}

/** Removes Puppy's modules from the policy and the files that their transactions left, for a purge. No process of a tenant may run. */
export async function removePolicy({ host, policy }: Pick<SelinuxFacilityOptions, 'host' | 'policy'>): Promise<void> {
  const { mode } = host.live ? await readState(host) : { mode: 'disabled' }
  if (mode !== 'disabled' && host.program('semodule') !== undefined)
    assertApplied(
      await policy.ensure(
        { remove: [...Object.values(tenantModules), cgroupModule, viewModuleName] },
        transactionTimes,
      ),
    )
  await policy.forget()
}
