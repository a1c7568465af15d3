import { FacilityError, type Host } from '@puppy/host'
import { readProcesses, readProcessFile } from '@puppy/host/proc'
import { contextIn, type Context } from './context.ts'
import { decide, isKnown, type Question } from './decide.ts'
import { everyCategory, renderLevel, sameLevel, singleLevel, type Level } from './level.ts'
import { readContexts } from './read-contexts.ts'
import { readState } from './state.ts'

/** A tenant whose processes and home are inspected. */
export interface Tenant {
  readonly login: string
  readonly uid: number
  readonly level: Level
  /** The home whose context is checked. Absent: no home is checked. */
  readonly home?: string
}

export interface InspectOptions {
  /** The SELinux user of tenants. Default `puppy_u`. */
  readonly user?: string
  /** The type of the ports of slots. Default `puppy_port_t`. */
  readonly portType?: string
}

/** One check of `inspect`. */
export type Check = 'mode' | 'policy' | 'apart' | 'ports' | 'programs' | 'processes' | 'homes'

/** The result of one check. A check that failed to run does not hold. */
export interface Finding {
  readonly check: Check
  readonly holds: boolean
  /** The problem and what to do about it, or the fact that holds. */
  readonly message: string
}

/**
 * System domains in which a process has the uid of a tenant for a short time: sshd before the shell, and `(sd-pam)` of the service
 * manager.
 */
const passing = ['system_u:system_r:init_t', 'system_u:system_r:sshd_t', 'system_u:system_r:crond_t']

/** Acts that a tenant may perform at its own level and not at the level of another tenant. */
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
 * Checks whether SELinux isolates tenants at this moment: the mode, the decisions of the loaded policy between two levels, and the
 * processes and homes of tenants.
 *
 * Asks the kernel and does not read the files of the policy. Changes nothing. Needs root. Without tenants, still checks the policy.
 */
export async function inspect(
  host: Host,
  tenants: readonly Tenant[],
  { user = 'puppy_u', portType = 'puppy_port_t' }: InspectOptions = {},
): Promise<readonly Finding[]> {
  const state = await readState(host)
  if (state.mode === 'disabled') {
    return [
      {
        check: 'mode',
        holds: false,
        message: 'SELinux is off in this kernel; install a policy, run selinux-activate and reboot',
      },
    ]
  }
  const enforcing = state.mode === 'enforcing'
  const mode = enforcing
    ? 'SELinux is enforcing'
    : 'SELinux is permissive: it logs denials and does not enforce them; run "setenforce 1"'
  const parts: readonly (readonly [Check, () => Promise<string | undefined>, string])[] = [
    ['policy', () => policyFault(host, user), 'the policy for tenants is loaded'],
    ['apart', () => isolationFault(host, user), 'no tenant can access another tenant'],
    ['ports', () => portFault(host, user, portType), 'a tenant can bind only its own ports'],
    ['programs', () => programFault(host, user), 'tenants may run programs that generate machine code, such as Node'],
    ['processes', () => processFault(host, tenants, user), 'every process of a tenant has the level of the tenant'],
    ['homes', () => homeFault(host, tenants, user), 'every home has the level of its tenant'],
  ]
  const findings = await Promise.all(parts.map(async ([check, fault, holds]) => find(check, fault, holds)))
  return [{ check: 'mode', holds: enforcing, message: mode }, ...findings]
}

async function find(check: Check, faultOf: () => Promise<string | undefined>, holds: string): Promise<Finding> {
  try {
    const fault = await faultOf()
    return { check, holds: fault === undefined, message: fault ?? holds }
  } catch (error) {
    if (!(error instanceof FacilityError)) throw error
    return { check, holds: false, message: error.message }
  }
}

const one: Level = { sensitivity: 0, categories: [0, 1] }
const other: Level = { sensitivity: 0, categories: [0, 2] }

function process(user: string, level: Level): Context {
  return { user, role: 'user_r', type: 'user_t', range: singleLevel(level) }
}

async function policyFault(host: Host, user: string): Promise<string | undefined> {
  if (await isKnown(host, process(user, one))) return undefined
  return `the loaded policy has no SELinux user ${user}; install the policy for tenants, or load it with "load_policy"`
}

async function isolationFault(host: Host, user: string): Promise<string | undefined> {
  const object = (type: string, level: Level): Context => ({ ...process(user, level), role: 'object_r', type })
  const targetOf = (type: string, level: Level) => (type === 'user_t' ? process(user, level) : object(type, level))
  return firstFault(
    host,
    acts.flatMap(([name, act, type]) => [
      { source: process(user, one), target: targetOf(type, other), class: name, act, expected: false },
      { source: process(user, one), target: targetOf(type, one), class: name, act, expected: true },
    ]),
  )
}

async function portFault(host: Host, user: string, type: string): Promise<string | undefined> {
  const port = (level: Level): Context => ({ user: 'system_u', role: 'object_r', type, range: singleLevel(level) })
  const bind = { source: process(user, one), class: 'tcp_socket', act: 'name_bind' }
  return firstFault(host, [
    { ...bind, target: port(one), expected: true },
    { ...bind, target: port(other), expected: false },
    { ...bind, target: port(everyCategory), expected: false },
  ])
}

/** Node needs the right to execute memory that it wrote. Without it, Node ends at once. */
async function programFault(host: Host, user: string): Promise<string | undefined> {
  const tenant = process(user, one)
  return firstFault(host, [{ source: tenant, target: tenant, class: 'process', act: 'execmem', expected: true }])
}

async function firstFault(
  host: Host,
  questions: readonly (Question & { readonly expected: boolean })[],
): Promise<string | undefined> {
  for (const question of questions) {
    const { allowed, permissive } = await decide(host, question)
    if (permissive) {
      const { type } = question.source
      return `the domain ${type} is permissive, so its denials are not enforced; run "semanage permissive -d ${type}"`
    }
    if (allowed !== question.expected) {
      const whose = question.expected ? 'its own' : 'another tenant’s'
      const verb = allowed ? 'allows' : 'denies'
      const object = `${whose} ${question.class} of type ${question.target.type}`
      return `the loaded policy ${verb} a tenant the act ${question.act} on ${object}; install the policy for tenants again`
    }
  }
  return undefined
}

async function processFault(host: Host, tenants: readonly Tenant[], user: string): Promise<string | undefined> {
  const byUid = new Map(tenants.map((tenant) => [tenant.uid, tenant]))
  for (const { pid, uid, alive } of await readProcesses(host)) {
    const tenant = byUid.get(uid)
    if (tenant === undefined || !alive) continue
    const [text = ''] = ((await readProcessFile(host, pid, 'attr/current')) ?? '').split(/[\0\n]/, 1)
    if (text === '' || passing.some((start) => text.startsWith(`${start}:`))) continue
    const context = contextIn(text)
    if (context === undefined || !isAt(context, user, tenant.level)) {
      const expected = `not the level ${renderLevel(tenant.level)}, because no login started it`
      return `process ${pid} of ${tenant.login} has the context ${text}, ${expected}; end it with "kill ${pid}"`
    }
  }
  return undefined
}

async function homeFault(host: Host, tenants: readonly Tenant[], user: string): Promise<string | undefined> {
  const homes = tenants.flatMap(({ home, ...tenant }) => (home === undefined ? [] : [{ ...tenant, home }]))
  const paths = homes.map(({ home }) => home)
  const contexts = new Map((await readContexts(host, paths)).map(({ path, context }) => [path, context]))
  const wrong = homes.find(({ home, level }) => {
    const context = contexts.get(home)
    return contexts.has(home) && (context === undefined || !isAt(context, user, level))
  })
  if (wrong === undefined) return undefined
  return `the home ${wrong.home} does not have the SELinux user and level of ${wrong.login}; relabel it`
}

function isAt({ user, range }: Context, name: string, level: Level): boolean {
  return user === name && range !== undefined && sameLevel(range.low, level) && sameLevel(range.high, level)
}
