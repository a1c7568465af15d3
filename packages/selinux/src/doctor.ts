import type { Host } from '@puppy/host'
import { parseContext, type Context } from './context.ts'
import { SelinuxError } from './errors.ts'
import { decide, isKnown, type Question } from './kernel.ts'
import { readLabels } from './labels.ts'
import { everyCategory, renderLevel, sameLevel, singleLevel, type Level } from './level.ts'
import { readState } from './state.ts'

/** A tenant as the self-test looks for it. */
export interface Tenant {
  readonly login: string
  readonly uid: number
  readonly level: Level
  /** Its home; absent when its label is not looked at. */
  readonly home?: string
}

export interface InspectOptions {
  /** The SELinux user of tenants. Default `puppy_u`. */
  readonly user?: string
  /** The type of slots' ports. Default `puppy_port_t`. */
  readonly portType?: string
}

/** What is looked at. */
export type Check = 'mode' | 'policy' | 'apart' | 'ports' | 'processes' | 'homes'

/** One thing that was looked at. What could not be looked at does not hold. */
export interface Finding {
  readonly check: Check
  readonly holds: boolean
  /** What is wrong and what would help; or that nothing is. */
  readonly message: string
}

/** Domains of the system in which a process has a tenant's uid for a while: sshd before the shell, the manager's `(sd-pam)`. */
const passing = ['system_u:system_r:init_t', 'system_u:system_r:sshd_t', 'system_u:system_r:crond_t']

/** What two tenants must not do to each other, and one may to itself. */
const acts: readonly (readonly [name: string, act: string, type: string])[] = [
  ...['read', 'write', 'getattr'].map((act) => ['file', act, 'user_home_t'] as const),
  ['dir', 'search', 'user_home_t'],
  ['file', 'read', 'user_tmp_t'],
  ['process', 'signal', 'user_t'],
  ['process', 'ptrace', 'user_t'],
  ['unix_stream_socket', 'connectto', 'user_t'],
  ['shm', 'read', 'user_t'],
]

/**
 * Looks whether SELinux keeps tenants apart now: the mode, what the loaded policy decides between two levels, tenants' processes and homes.
 *
 * The kernel is asked, not the files. It changes nothing; needs root. With no tenants given the policy is asked all the same.
 */
export async function inspect(
  host: Host,
  tenants: readonly Tenant[],
  { user = 'puppy_u', portType = 'puppy_port_t' }: InspectOptions = {},
): Promise<readonly Finding[]> {
  const state = await readState(host)
  if (state.mode === 'disabled') return [{ check: 'mode', holds: false, message: 'SELinux is off in this kernel' }]
  const enforcing = state.mode === 'enforcing'
  const mode = enforcing
    ? 'SELinux enforces'
    : 'SELinux is permissive: it writes down and denies nothing (setenforce 1)'
  const looks: readonly (readonly [Check, () => Promise<string | undefined>, string])[] = [
    ['policy', () => lookAtPolicy(host, user), 'the tenants’ policy is loaded'],
    ['apart', () => lookApart(host, user), 'no tenant reaches another'],
    ['ports', () => lookAtPorts(host, user, portType), 'a tenant binds its own ports only'],
    ['processes', () => lookAtProcesses(host, tenants, user), 'every process of a tenant is at its level'],
    ['homes', () => lookAtHomes(host, tenants, user), 'homes are labelled'],
  ]
  const findings = await Promise.all(looks.map(async ([check, look, fine]) => find(check, look, fine)))
  return [{ check: 'mode', holds: enforcing, message: mode }, ...findings]
}

async function find(check: Check, look: () => Promise<string | undefined>, fine: string): Promise<Finding> {
  try {
    const fault = await look()
    return { check, holds: fault === undefined, message: fault ?? fine }
  } catch (error) {
    if (!(error instanceof SelinuxError)) throw error
    return { check, holds: false, message: error.message }
  }
}

const one: Level = { sensitivity: 0, categories: [0, 1] }
const other: Level = { sensitivity: 0, categories: [0, 2] }

function process(user: string, level: Level): Context {
  return { user, role: 'user_r', type: 'user_t', range: singleLevel(level) }
}

async function lookAtPolicy(host: Host, user: string): Promise<string | undefined> {
  if (await isKnown(host, process(user, one))) return undefined
  return `the loaded policy has no user ${user}: install the tenants’ policy, or load what is installed (load_policy)`
}

async function lookApart(host: Host, user: string): Promise<string | undefined> {
  const object = (type: string, level: Level): Context => ({ ...process(user, level), role: 'object_r', type })
  const targetOf = (type: string, level: Level) => (type === 'user_t' ? process(user, level) : object(type, level))
  return firstFault(
    host,
    acts.flatMap(([name, act, type]) => [
      { source: process(user, one), target: targetOf(type, other), class: name, act, wanted: false },
      { source: process(user, one), target: targetOf(type, one), class: name, act, wanted: true },
    ]),
  )
}

async function lookAtPorts(host: Host, user: string, type: string): Promise<string | undefined> {
  const port = (level: Level): Context => ({ user: 'system_u', role: 'object_r', type, range: singleLevel(level) })
  const bind = { source: process(user, one), class: 'tcp_socket', act: 'name_bind' }
  return firstFault(host, [
    { ...bind, target: port(one), wanted: true },
    { ...bind, target: port(other), wanted: false },
    { ...bind, target: port(everyCategory), wanted: false },
  ])
}

async function firstFault(
  host: Host,
  questions: readonly (Question & { readonly wanted: boolean })[],
): Promise<string | undefined> {
  for (const question of questions) {
    const { allowed, permissive } = await decide(host, question)
    if (permissive)
      return `the domain ${question.source.type} is permissive (semanage permissive -d ${question.source.type})`
    if (allowed !== question.wanted) {
      const whose = question.wanted ? 'its own' : 'another’s'
      return `the loaded policy ${allowed ? 'allows' : 'denies'} a tenant ${question.act} of ${whose} ${question.class} (${question.target.type})`
    }
  }
  return undefined
}

async function lookAtProcesses(host: Host, tenants: readonly Tenant[], user: string): Promise<string | undefined> {
  const byUid = new Map(tenants.map((tenant) => [tenant.uid, tenant]))
  const ids = (await host.list('/proc')).filter((name) => /^\d+$/.test(name))
  for (const id of ids) {
    // It may end while we look: then there is nothing to say of it.
    const read = (file: string) => host.read(`/proc/${id}/${file}`).catch(() => undefined)
    const uid = Number(/^Uid:\t(\d+)\t/m.exec((await read('status')) ?? '')?.[1] ?? Number.NaN)
    const tenant = byUid.get(uid)
    if (tenant === undefined) continue
    const text = ((await read('attr/current')) ?? '').replace(/[\0\n]+$/, '')
    if (text === '' || passing.some((start) => text.startsWith(`${start}:`))) continue
    if (!isAt(parseContext(text), user, tenant.level)) {
      return `process ${id} of ${tenant.login} is ${text}, not at ${renderLevel(tenant.level)}: end it, it was started past the login`
    }
  }
  return undefined
}

async function lookAtHomes(host: Host, tenants: readonly Tenant[], user: string): Promise<string | undefined> {
  const homes = tenants.flatMap(({ home, ...tenant }) => (home === undefined ? [] : [{ ...tenant, home }]))
  const labels = new Map(
    (
      await readLabels(
        host,
        homes.map(({ home }) => home),
      )
    ).map(({ path, context }) => [path, context]),
  )
  const wrong = homes.find(({ home, level }) => {
    const context = labels.get(home)
    return labels.has(home) && (context === undefined || !isAt(context, user, level))
  })
  if (wrong === undefined) return undefined
  return `${wrong.home} is not labelled as ${wrong.login}’s: relabel it`
}

function isAt({ user, range }: Context, wanted: string, level: Level): boolean {
  return user === wanted && range !== undefined && sameLevel(range.low, level) && sameLevel(range.high, level)
}
