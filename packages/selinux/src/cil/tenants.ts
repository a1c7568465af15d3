import { identifierRule, isIdentifier } from '../context.ts'
import { SelinuxError } from '../errors.ts'
import { dominates, everyCategory, renderLevel, singleLevel, type Level, type LevelRange } from '../level.ts'
import { renderCil, type CilExpression } from './expression.ts'
import { fileStatement, renderRecords, soundLevel, userStatements, type PortRecord } from './records.ts'

/** The names and ports of the policy for tenants. */
export interface TenantPolicy {
  /** The ports of all slots, used or not, first and last inclusive. */
  readonly ports: { readonly first: number; readonly last: number }
  /** The SELinux user of every tenant. Default `puppy_u`. */
  readonly user?: string
  /** The type of the slots' ports. Default `puppy_port_t`. */
  readonly portType?: string
  /**
   * Which ports of the range a tenant may connect to. The kernel decides only by the number, so `own` also closes those ports on every
   * other machine. Default `any`, because a firewall can distinguish machines.
   */
  readonly connect?: 'any' | 'own'
}

/** The values that differ between tenants. */
export interface TenantSlot {
  /** The name of the account. */
  readonly login: string
  readonly uid: number
  /** The level of this tenant only. No tenant's level may dominate the level of another tenant. */
  readonly level: Level
  readonly ports: { readonly first: number; readonly last: number }
}

/** The role and domain of confined users, in the policies of Debian and Fedora. */
const role = 'user_r'
const domain = 'user_t'

/** Classes of objects that a tenant must not access at the level of another tenant, by any act. A policy that lacks a class ignores it. */
const classes = words(
  'file dir lnk_file chr_file blk_file sock_file fifo_file anon_inode',
  'process process2 fd key sem msg msgq shm ipc memprotect io_uring bpf perf_event',
  'unix_stream_socket unix_dgram_socket tcp_socket udp_socket sctp_socket dccp_socket rawip_socket',
  'packet_socket vsock_socket alg_socket netlink_route_socket peer association dbus service',
)

/**
 * Classes of files that other users own and that have the level of a tenant, such as its keys. Reading their names and sizes is not
 * constrained.
 */
const files = ['file', 'lnk_file', 'chr_file', 'blk_file', 'sock_file', 'fifo_file']
const fileActs = ['read', 'write', 'append', 'open', 'execute', 'map']
const folderActs = ['read', 'search', 'open', 'write', 'add_name', 'remove_name']

/**
 * Renders the policy that isolates tenants, as one module of CIL that does not depend on the slots. Pure.
 *
 * A process of the tenants' SELinux user is a process of a tenant, in any domain. Two tenants of different levels cannot access anything
 * of each other. A tenant can bind those ports of the range that have its level. Other confined users can bind none of them. The module
 * also adds rules that confined users lack for ordinary work. These rules apply to all confined users.
 *
 * @throws SelinuxError `SELINUX_INVALID` for an invalid name or port.
 */
export function renderTenantPolicy(policy: TenantPolicy): string {
  const { user, portType } = namesOf(policy)
  const high = singleLevel(everyCategory)
  const whole = (['tcp', 'udp'] as const).map((protocol): PortRecord => ({
    protocol,
    ...policy.ports,
    type: portType,
    range: high,
  }))
  return (
    renderCil([
      ...userStatements({ user, roles: [role], range: allLevels }),
      ...apart(user),
      ...portStatements(user, portType, policy.connect ?? 'any'),
      ...work,
    ]) + renderRecords({ ports: whole })
  )
}

/**
 * Renders the slots: the level of each login and of its ports. Pure. Install it with `renderTenantPolicy` in the same transaction.
 *
 * @throws SelinuxError `SELINUX_INVALID` for an invalid name, port or level, for a name, uid, port or level that two slots have, and for a
 *   level that dominates the level of another slot.
 */
export function renderTenantSlots(policy: TenantPolicy, slots: readonly TenantSlot[]): string {
  const { user, portType } = namesOf(policy)
  for (const { ports, login } of slots) {
    if (ports.first >= policy.ports.first && ports.last <= policy.ports.last) continue
    const detail = `the ports are outside the range of the policy, ${policy.ports.first} to ${policy.ports.last}`
    throw new SelinuxError('SELINUX_INVALID', { operation: 'set the context of the ports of', target: login, detail })
  }
  const leveled = slots.map((slot) => ({ ...slot, level: soundLevel(slot.level, slot.login) }))
  assertApart(leveled)
  const ranged = leveled.map((slot) => ({ ...slot, range: singleLevel(slot.level) }))
  const records = renderRecords({
    ports: ranged.flatMap(({ range, ports }) =>
      (['tcp', 'udp'] as const).map((protocol) => ({ protocol, ...ports, type: portType, range })),
    ),
    logins: ranged.map(({ login, range }) => ({ login, user, range })),
  })
  return slots.length === 0 ? '' : records + renderCil(runtimeStatements(user, ranged))
}

/** Throws when two slots have one uid or one level, or when one level dominates another. */
function assertApart(slots: readonly TenantSlot[]): void {
  const uids = new Map<number, string>()
  const levels = new Map<string, string>()
  const byFirst = Map.groupBy(slots, ({ level }) => level.categories[0])
  for (const { login, uid, level } of slots) {
    const text = renderLevel(level)
    const [sameUid, same] = [uids.get(uid), levels.get(text)]
    if (sameUid !== undefined) throw refusedLevel(login, `${sameUid} already has the uid ${uid}`)
    if (same !== undefined)
      throw refusedLevel(login, `${same} already has this level; every tenant needs its own level`)
    uids.set(uid, login)
    levels.set(text, login)
  }
  // A level that another one dominates has its first category in it, or has none.
  for (const { login, level } of slots)
    for (const category of [undefined, ...level.categories])
      for (const other of byFirst.get(category) ?? [])
        if (other.login !== login && mayDominate(level, other.level) && dominates(level, other.level))
          throw refusedLevel(
            login,
            `its level dominates that of ${other.login}, so it could read the files of that tenant`,
          )
}

/** Returns false for two different levels of equal size, such as two pairs, without reading their categories. */
function mayDominate(one: Level, other: Level): boolean {
  return one.sensitivity !== other.sensitivity || one.categories.length !== other.categories.length
}

function refusedLevel(login: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation: 'set the level of', target: login, detail })
}

/** Files that systemd creates in the runtime folder of a user with a context that it looks up, and that processes of a tenant use. */
const runtime = {
  '': 'user_runtime_t',
  '/bus': 'session_dbusd_runtime_t',
  '/dbus-1': 'session_dbusd_runtime_t',
  '/openssh_agent': 'ssh_agent_tmp_t',
  '/systemd': 'systemd_user_runtime_t',
} as const

/**
 * Renders paths without a pattern, which take precedence over the patterns for all users. Those patterns have the default SELinux user.
 * With them, no user service would start in a policy that compares users (Debian's). The folders also get the level of the tenant.
 */
function runtimeStatements(
  user: string,
  slots: readonly { readonly uid: number; readonly range: LevelRange }[],
): readonly CilExpression[] {
  return Object.entries(runtime).map(([name, type], at) =>
    optional(
      `runtime_${at}`,
      ...slots.map(({ uid, range }) => {
        if (!Number.isInteger(uid) || uid < 1) {
          throw new RangeError(`Uid ${uid} is invalid for a tenant: use a whole number of 1 or higher`)
        }
        const context = { user, role: 'object_r', type, range }
        return fileStatement({ path: `/run/user/${uid}${name}`, context })
      }),
    ),
  )
}

function namesOf({ user = 'puppy_u', portType = 'puppy_port_t' }: TenantPolicy) {
  for (const value of [user, portType]) {
    if (!isIdentifier(value)) {
      throw new SelinuxError('SELINUX_INVALID', {
        operation: 'use the name',
        target: value,
        detail: identifierRule,
      })
    }
  }
  return { user, portType }
}

const allLevels: LevelRange = { low: { sensitivity: 0, categories: [] }, high: everyCategory }

/**
 * Returns constraints by user, not by domain. They cover the helpers that policies have for users (dbus, systemd, ssh-agent), and only
 * tenants.
 */
function apart(user: string): readonly CilExpression[] {
  const dominating: CilExpression = ['dom', 'h1', 'h2']
  const between = either(['neq', 'u1', user], either(['neq', 'u2', user], dominating))
  const upon = either(['neq', 'u1', user], dominating)
  return [
    ...classes.map((name) => optional(`apart_${name}`, ['mlsconstrain', [name, ['all']], between])),
    ...files.map((name): CilExpression => ['mlsconstrain', [name, fileActs], upon]),
    ['mlsconstrain', ['dir', folderActs], upon],
  ]
}

function portStatements(user: string, portType: string, connect: 'any' | 'own'): readonly CilExpression[] {
  const other: CilExpression = ['neq', 't2', portType]
  const own: CilExpression = ['and', ['eq', 'u1', user], ['dom', 'h1', 'h2']]
  const unmanaged: CilExpression = ['and', ['neq', 'u1', user], ['neq', 't1', domain]]
  return [
    ['type', portType],
    ['roletype', 'object_r', portType],
    ['typeattributeset', 'port_type', [portType]],
    ...['tcp_socket', 'udp_socket'].flatMap((socket): readonly CilExpression[] => [
      ['allow', domain, portType, [socket, ['name_bind']]],
      ['mlsconstrain', [socket, ['name_bind']], either(other, either(unmanaged, own))],
    ]),
    ...(connect === 'any'
      ? []
      : [['mlsconstrain', ['tcp_socket', ['name_connect']], either(other, either(['neq', 'u1', user], own))] as const]),
    // HAProxy connects to these ports. Before they had their own type, the policy allowed it.
    optional('haproxy', ['allow', 'haproxy_t', portType, ['tcp_socket', ['name_connect']]]),
  ]
}

/**
 * The rules that confined users of Debian 12 and 13 lack for the ordinary work of a developer.
 *
 * @see docs/adr/0011-tenants-are-a-selinux-user.md
 */
const work: readonly CilExpression[] = [
  optional(
    'servers',
    allow(domain, 'node_type', 'tcp_socket', 'node_bind'),
    allow(domain, 'node_type', 'udp_socket', 'node_bind'),
  ),
  // Node generates code at run time.
  optional('execmem', allow(domain, 'self', 'process', 'execmem')),
  // The output of a cron job goes to a file that crond opened and mails.
  optional('cron_output', allow(domain, 'crond_tmp_t', 'file', 'read', 'write', 'append', 'getattr', 'ioctl')),
  // The same for a job of atd.
  optional('at_output', allow(domain, 'cron_spool_t', 'file', 'read', 'write', 'append', 'getattr', 'ioctl')),
  // at(1) counts jobs in a file that the package creates and that no file context names. atd(8) links a job and deletes it. It maps the
  // status page of SELinux, and runs no job without it.
  optional(
    'at_jobs',
    allow('user_crontab_t', 'unlabeled_t', 'file', 'getattr', 'open', 'read', 'write', 'lock'),
    allow('crond_t', 'user_cron_spool_t', 'file', 'write', 'link', 'unlink'),
    allow('crond_t', 'security_t', 'file', 'map'),
  ),
  // systemd reads the type of the file system of a pidfd. Debian 13's policy has no type for this file system.
  ...[domain, 'user_systemd_t', 'user_dbusd_t'].map((name) =>
    optional(`pidfd_${name}`, allow(name, 'unlabeled_t', 'filesystem', 'getattr')),
  ),
  // systemctl checks whether it is in the namespaces of the service manager.
  ...[domain, 'user_systemd_t'].map((name) => optional(`namespaces_${name}`, allow(name, 'nsfs_t', 'file', 'getattr'))),
  // Other files that systemd creates in the runtime folder have the context of the default user.
  optional('manager_files', ['typeattributeset', 'ubacfile', ['user_systemd_t']]),
  optional('manager_labels', ['typeattributeset', 'can_change_object_identity', ['user_systemd_t']]),
  // A unit starts a program of the home directly: then it is a program of the tenant, as it is from a shell. The policy denies it, and starts
  // programs in ~/bin in the domain of the manager, which cannot read the configuration of OpenSSL.
  ...['user_home_t', 'user_bin_t'].map((name) =>
    optional(
      `program_${name}`,
      allow('user_systemd_t', name, 'file', 'getattr', 'open', 'read', 'map', 'execute'),
      allow('user_systemd_t', domain, 'process', 'transition'),
      allow(domain, name, 'file', 'entrypoint'),
      ['typetransition', 'user_systemd_t', name, 'process', domain],
    ),
  ),
  // The homes are mounted nosuid, and a unit may have NoNewPrivileges. The kernel then asks for one permission more.
  optional('program_nosuid', allow('user_systemd_t', domain, 'process2', 'nosuid_transition', 'nnp_transition')),
  // A user service whose output goes to the caller (systemd-run --pipe) receives the pipe of sshd.
  ...['user_systemd_t', 'user_dbusd_t'].map((name) =>
    optional(
      `pipe_${name}`,
      allow(name, 'sshd_t', 'fd', 'use'),
      allow(name, 'sshd_t', 'fifo_file', 'getattr', 'read', 'write', 'append', 'ioctl'),
    ),
  ),
  // Debian 12: the bus reads the folder of the service manager when a unit is started through the bus.
  optional('bus', allow('user_dbusd_t', 'systemd_user_runtime_t', 'dir', 'search')),
  // A unit reports through the manager's socket that it is ready. On Debian 12 the bus is such a unit, and the policy denies it.
  ...['user_dbusd_t', domain].map((name) =>
    optional(
      `notify_${name}`,
      allow(name, 'systemd_user_runtime_notify_t', 'sock_file', 'write'),
      allow(name, 'user_systemd_t', 'unix_dgram_socket', 'sendto'),
    ),
  ),
  // Debian 12: a unit without a file is started by a request to the manager itself.
  optional('transient', allow(domain, 'user_systemd_t', 'system', 'start', 'stop', 'status', 'reload')),
  // Debian 12: the policy denies messages over the bus between programs and the manager.
  optional('messages', allow(domain, 'user_systemd_t', 'dbus', 'send_msg')),
  optional('answers', allow('user_systemd_t', domain, 'dbus', 'send_msg')),
  // Environment generators of an administrator: /etc/systemd/user-environment-generators.
  optional('generators', allow('user_systemd_t', 'etc_t', 'file', 'execute', 'execute_no_trans')),
  // Units of a user in ~/.config/systemd/user.
  ...['xdg_config_t', 'user_home_t'].map((name) =>
    optional(`unit_${name}`, allow(domain, name, 'service', 'start', 'stop', 'status', 'reload', 'enable', 'disable')),
  ),
]

function allow(source: string, target: string, name: string, ...acts: readonly string[]): CilExpression {
  return ['allow', source, target, [name, acts]]
}

function either(one: CilExpression, other: CilExpression): CilExpression {
  return ['or', one, other]
}

function words(...texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.split(' '))
}

/** Returns statements that are all ignored when the policy lacks one of their words. */
function optional(name: string, ...statements: readonly CilExpression[]): CilExpression {
  return ['optional', `puppy_${name}`, ...statements]
}
