import {
  FirewallError,
  type Firewall,
  type FirewallChange,
  type FirewallChangeSet,
  type FirewallSpec,
  type Guard,
} from '@puppy/firewall'
import { renderRuleset, renderUnit } from '@puppy/firewall/boot'
import type { Host } from '@puppy/host'
import type { Verdict } from '@puppy/state'
import { servedNothing, type Facility, type Finding, type Served, type Step, type View } from './facility.ts'

const name = 'firewall'
const unit = 'puppy-firewall.service'
const unitFile = `/etc/systemd/system/${unit}`
/** The link that `systemctl enable` creates for the unit's `WantedBy=`. */
const enabled = `/etc/systemd/system/sysinit.target.wants/${unit}`

/**
 * A port of Puppy's own processes. Its guard is loaded once such a process was seen there. Until then another program, such as a web
 * server, may listen on the port, and its connections must not be blocked.
 */
interface OwnPort extends Guard {
  isOurs(): Promise<boolean>
}

/** The firewall as the agent uses it. */
export interface FirewallFacility extends Facility {
  /** Returns whether this process has loaded the table. */
  stands(): boolean
}

/** Which rules the table has, and where they are kept for the next boot. */
export interface FirewallFacilityOptions {
  /** The host that runs tenants. When it is only a folder, this facility does not work: rules belong to the kernel. */
  readonly host: Host
  readonly firewall: Firewall
  /** The uids of all possible slots, built or not. */
  readonly tenantUids: FirewallSpec['tenantUids']
  /** The uids that may connect to the ports of every slot: root, and the proxy's user. */
  readonly callers: readonly number[]
  /** The ports of the API and of the proxy. */
  readonly guards: readonly OwnPort[]
  /**
   * The file with the rules for the next boot. Undefined where no systemd loads them. It is below `/etc`, because SELinux confines nft
   * when a unit starts it, and then nft may not read Puppy's files below `/var/lib`.
   */
  readonly rulesFile?: string
}

/**
 * Creates the facility that reserves the ports of a slot for its tenant. The table contains every built slot, also a released one, so that
 * no other user can reach the ports while the slot is scrubbed.
 *
 * A pass that is not complete runs no program when the spec is the one that was loaded last. A complete pass reads the table, because a
 * person may have flushed it. Applies exactly the change set that was planned.
 */
export function firewallFacility(options: FirewallFacilityOptions): FirewallFacility {
  const { host, firewall } = options
  let loaded: string | undefined
  const ours = new Set<OwnPort>()
  return Object.freeze<FirewallFacility>({
    name,
    judges: ['accounts'],
    stands: () => loaded !== undefined,
    probe: async (signal: AbortSignal) => {
      if (!host.live)
        return {
          works: false,
          reason: 'this host is only a folder (PUPPY_ROOT), and firewall rules need a real machine',
        }
      const { works, version, error } = await firewall.probe({ signal })
      return {
        works,
        ...(version === undefined ? {} : { version }),
        ...(error === undefined ? {} : { reason: error.message }),
      }
    },
    prepare: async (signal: AbortSignal): Promise<Step<readonly string[]>> => ({
      changes: [],
      apply: async () => (await firewall.probe({ signal })).warnings,
    }),
    serve: async (view: View, signal: AbortSignal): Promise<Step<Served>> => {
      for (const guard of options.guards) if (!ours.has(guard) && (await guard.isOurs())) ours.add(guard)
      const spec = specOf(options, [...ours], view)
      const key = JSON.stringify(spec)
      const served = { ...servedNothing, accounts: new Map(view.tenants.map(({ id }) => [id, applied])) }
      if (key === loaded && !view.complete) return { changes: [], apply: async () => served }
      const changeSet = firewall.plan(spec, await firewall.read(spec, { signal }))
      const { changes } = changeSet
      const known = loaded !== undefined || (await isKept(options))
      const repaired = driftOf(changes, { known, mine: loaded !== undefined, same: key === loaded })
      return {
        changes: changes.map((change) => ({ ...change })),
        apply: async () => {
          loaded = undefined
          await applyOrEnsure(firewall, spec, changeSet, signal)
          await keepForBoot(options, spec, signal)
          loaded = key
          return repaired === undefined ? served : { ...served, repaired }
        },
      }
    },
    inspect: (view: View, signal: AbortSignal) => inspect(options, view, signal),
  })
}

/**
 * Applies the change set that was planned. When another program changed the table after it was read, or an object of that program in the
 * table is in use, reads and plans again.
 */
async function applyOrEnsure(
  firewall: Firewall,
  spec: FirewallSpec,
  changeSet: FirewallChangeSet,
  signal: AbortSignal,
): Promise<void> {
  try {
    await firewall.apply(changeSet, { signal })
  } catch (error) {
    const stale = error instanceof FirewallError && ['FIREWALL_CONFLICT', 'FIREWALL_REFUSED'].includes(error.code)
    if (!stale) throw error
    await firewall.ensure(spec, { signal })
  }
}

/** What this process knows about the table before it reads it. */
interface Knowledge {
  /** Whether the table existed before. */
  readonly known: boolean
  /** Whether this process loaded it. */
  readonly mine: boolean
  /** Whether this process loaded exactly the spec of this pass. */
  readonly same: boolean
}

/** Returns the changes from outside Puppy, in words. Leaves out changes that follow from a new spec or another version of Puppy. */
function driftOf(changes: readonly FirewallChange[], { known, mine, same }: Knowledge): string | undefined {
  const ofTable = changes.find(({ target }) => target === 'table')
  if (known && ofTable?.action === 'add') return 'the whole table was missing'
  const foreign = same ? changes : mine && ofTable !== undefined ? [ofTable] : []
  if (foreign.length === 0) return undefined
  return foreign.map(({ action, target, before, after }) => `${action} ${target} (${before ?? after ?? ''})`).join(', ')
}

/** Returns whether an earlier agent stored rules for the boot. Then the table existed, also after a reboot. */
async function isKept({ host, rulesFile }: FirewallFacilityOptions): Promise<boolean> {
  return rulesFile !== undefined && (await host.status(rulesFile)) !== undefined
}

/** Checks whether the table, its guards and the unit that loads it at boot are as the agent creates them. */
async function inspect(options: FirewallFacilityOptions, view: View, signal: AbortSignal): Promise<readonly Finding[]> {
  const { host, firewall, rulesFile } = options
  const observed = await firewall.read(undefined, { signal })
  if (observed === undefined) {
    return [{ works: false, what: 'firewall table', otherwise: 'not loaded; the agent loads it within a minute' }]
  }
  const guarded = new Set(observed.sets.get('guarded')?.elements.map(({ key: [port] }) => port))
  const standing = options.guards.filter(({ port }) => guarded.has(port))
  const { changes } = firewall.plan(specOf(options, standing, view), observed)
  const differs = changes.map(({ action, target }) => `${action} ${target}`).join(', ')
  return [
    {
      works: changes.length === 0,
      what: 'firewall table',
      otherwise: `not as the agent loads it (${differs}); the agent repairs it within a minute`,
    },
    ...options.guards.map((guard) => ({
      works: standing.includes(guard),
      what: `firewall guard of port ${guard.port} (${guard.name})`,
      otherwise: `not active; the agent adds it when Puppy’s own process listens there ("ss -ltnp sport = :${guard.port}")`,
    })),
    ...(rulesFile === undefined ? [] : [await inspectBoot(host, rulesFile)]),
  ]
}

async function inspectBoot(host: Host, rulesFile: string): Promise<Finding> {
  const found = await Promise.all([unitFile, enabled, rulesFile].map((path) => host.status(path)))
  return {
    works: found.every((status) => status !== undefined),
    what: `firewall at boot (${unit})`,
    otherwise: 'the unit is not enabled or its rules file is missing; the agent repairs both within a minute',
  }
}

const applied: Verdict = { type: name, status: 'true', reason: 'applied' }

function specOf({ tenantUids, callers }: FirewallFacilityOptions, ours: readonly OwnPort[], view: View): FirewallSpec {
  return {
    slots: view.builtSlots.map(({ slot }) => ({
      uid: slot.uid,
      firstPort: slot.ports[0] ?? 0,
      lastPort: slot.ports.at(-1) ?? 0,
    })),
    tenantUids,
    callers,
    guards: ours.map(({ name: guard, port, uids }) => ({ name: guard, port, uids })),
    egress: view.builtSlots.flatMap(({ slot, egress }) =>
      egress === 'default' ? [] : [{ uid: slot.uid, policy: egress }],
    ),
  }
}

/** Stores the rules for the next boot, which loads them before any session: a tenant's cron job may start before the agent. */
async function keepForBoot(
  { host, firewall, rulesFile }: FirewallFacilityOptions,
  spec: FirewallSpec,
  signal: AbortSignal,
): Promise<void> {
  const [nft, systemctl] = [host.program('nft'), host.program('systemctl')]
  if (rulesFile === undefined || nft === undefined || systemctl === undefined) return
  await host.replace(rulesFile, renderRuleset(firewall.table, spec), { mode: 0o600 })
  const { changed } = await host.replace(unitFile, renderUnit([nft, '-j', '-f', rulesFile]), { mode: 0o644 })
  // An agent may have written the unit and been killed before it enabled it.
  if (!changed && (await host.status(enabled)) !== undefined) return
  const run = { touches: 'machine', timeout: 60_000, signal } as const
  await host.run([systemctl, 'daemon-reload'], run)
  await host.run([systemctl, 'enable', unit], run)
}

/** Deletes the table and the files for the next boot, for a purge. */
export async function removeFirewall(
  { host, firewall, rulesFile }: Pick<FirewallFacilityOptions, 'host' | 'firewall' | 'rulesFile'>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  if (!host.live) return
  const systemctl = host.program('systemctl')
  if (systemctl !== undefined && (await host.status(unitFile)) !== undefined) {
    const run = { touches: 'machine', timeout: 60_000 } as const
    await host.run([systemctl, 'disable', unit], run)
    await host.remove(unitFile)
    await host.run([systemctl, 'daemon-reload'], run)
  }
  if (rulesFile !== undefined) await host.remove(rulesFile)
  // Where the firewall does not work, the table does not exist, and reading it would fail.
  if ((await firewall.probe(options)).works) await firewall.remove(options)
}
