import { isIdentifier } from '../context.ts'
import { SelinuxError } from '../errors.ts'
import { everyCategory, singleLevel, type Level, type LevelRange } from '../level.ts'
import { renderCil, type CilExpression } from './expression.ts'
import { fileStatement, renderRecords, userStatements, type PortRecord } from './records.ts'

/** What the tenants' policy is called, and what it is about. */
export interface TenantPolicy {
  /** The ports of all slots, used or not, first and last inclusive. */
  readonly ports: { readonly first: number; readonly last: number }
  /** The SELinux user that every tenant is. Default `puppy_u`. */
  readonly user?: string
  /** The type of the slots' ports. Default `puppy_port_t`. */
  readonly portType?: string
  /**
   * Whether tenants connect to other tenants' ports, by SELinux. The kernel asks by the number alone, so `own` also closes those ports
   * of every other machine to tenants. Default `any`: a firewall can tell the machines apart.
   */
  readonly connect?: 'any' | 'own'
}

/** What makes one tenant differ from the next. */
export interface TenantSlot {
  /** The name that it logs in by. */
  readonly login: string
  readonly uid: number
  /** Its own; none may dominate another's. */
  readonly level: Level
  readonly ports: { readonly first: number; readonly last: number }
}

/** The role and domain of confined users, in every policy that we know. */
const role = 'user_r'
const domain = 'user_t'

/** Objects of which two tenants' must not meet, whatever is done to them. A policy that does not know one leaves it away. */
const classes = words(
  'file dir lnk_file chr_file blk_file sock_file fifo_file anon_inode',
  'process process2 fd key sem msg msgq shm ipc memprotect io_uring bpf perf_event',
  'unix_stream_socket unix_dgram_socket tcp_socket udp_socket sctp_socket dccp_socket rawip_socket',
  'packet_socket vsock_socket alg_socket netlink_route_socket peer association dbus service',
)

/** Files of others that were given a tenant's level: its keys. Looking at their names and sizes is not asked for. */
const files = ['file', 'lnk_file', 'chr_file', 'blk_file', 'sock_file', 'fifo_file']
const fileActs = ['read', 'write', 'append', 'open', 'execute', 'map']
const folderActs = ['read', 'search', 'open', 'write', 'add_name', 'remove_name']

/**
 * Renders the policy that keeps tenants apart, as one module of CIL that never changes when slots come and go. Pure.
 *
 * A tenant is whoever has the SELinux user, in whatever domain; two that differ in level reach nothing of each other. Of the ports in the
 * range a tenant binds those of its level, and confined users who are no tenants bind none. What confined users need for ordinary
 * work and the policy has no word for is allowed too, to all of them.
 *
 * @throws SelinuxError `SELINUX_INVALID` for names and ports that cannot be.
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
 * Renders the slots: each one's login at its level, and its ports. Pure. It goes beside `renderTenantPolicy` in the same transaction.
 *
 * @throws SelinuxError `SELINUX_INVALID` for names and ports that cannot be, or that two slots have.
 */
export function renderTenantSlots(policy: TenantPolicy, slots: readonly TenantSlot[]): string {
  const { user, portType } = namesOf(policy)
  for (const { ports, login } of slots) {
    if (ports.first >= policy.ports.first && ports.last <= policy.ports.last) continue
    const detail = `they are not within ${policy.ports.first} to ${policy.ports.last}`
    throw new SelinuxError('SELINUX_INVALID', { operation: 'label the ports of', value: login, detail })
  }
  const levels = new Map<string, string>()
  for (const { login, level } of slots) {
    const key = `${level.sensitivity}:${level.categories.join()}`
    const other = levels.get(key)
    if (other !== undefined) {
      throw new SelinuxError('SELINUX_INVALID', {
        operation: 'give a level to',
        value: login,
        detail: `${other} has it`,
      })
    }
    levels.set(key, login)
  }
  const ranged = slots.map((slot) => ({ ...slot, range: singleLevel(slot.level) }))
  const records = renderRecords({
    ports: ranged.flatMap(({ range, ports }) =>
      (['tcp', 'udp'] as const).map((protocol) => ({ protocol, ...ports, type: portType, range })),
    ),
    logins: ranged.map(({ login, range }) => ({ login, user, range })),
  })
  return slots.length === 0 ? '' : records + renderCil(runtimeStatements(user, ranged))
}

/** What systemd makes in a user's runtime folder with a label that it looks up, and a tenant's processes reach for. */
const runtime = {
  '': 'user_runtime_t',
  '/bus': 'session_dbusd_runtime_t',
  '/dbus-1': 'session_dbusd_runtime_t',
  '/openssh_agent': 'ssh_agent_tmp_t',
  '/systemd': 'systemd_user_runtime_t',
} as const

/**
 * Paths without a pattern, which count before the patterns for all users: those give the folder to the user that everybody is by default, and
 * where policies compare users (Debian's) no user service would start. At the tenant's level, too.
 */
function runtimeStatements(
  user: string,
  slots: readonly { readonly uid: number; readonly range: LevelRange }[],
): readonly CilExpression[] {
  return Object.entries(runtime).map(([name, type], at) =>
    optional(
      `runtime_${at}`,
      ...slots.map(({ uid, range }) => {
        if (!Number.isInteger(uid) || uid < 1) throw new RangeError(`Uid ${uid} is no tenant's`)
        const context = { user, role: 'object_r', type, range }
        return fileStatement({ path: `/run/user/${uid}${name}`, context })
      }),
    ),
  )
}

function namesOf({ user = 'puppy_u', portType = 'puppy_port_t' }: TenantPolicy) {
  for (const value of [user, portType]) {
    if (!isIdentifier(value)) {
      throw new SelinuxError('SELINUX_INVALID', { operation: 'name in a policy', value, detail: 'it is no name there' })
    }
  }
  return { user, portType }
}

const allLevels: LevelRange = { low: { sensitivity: 0, categories: [] }, high: everyCategory }

/** By user, not by domain: it covers the helpers that policies have for users (dbus, systemd, ssh-agent), and nobody who is no tenant. */
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
  const stranger: CilExpression = ['and', ['neq', 'u1', user], ['neq', 't1', domain]]
  return [
    ['type', portType],
    ['roletype', 'object_r', portType],
    ['typeattributeset', 'port_type', [portType]],
    ...['tcp_socket', 'udp_socket'].flatMap((socket): readonly CilExpression[] => [
      ['allow', domain, portType, [socket, ['name_bind']]],
      ['mlsconstrain', [socket, ['name_bind']], either(other, either(stranger, own))],
    ]),
    ...(connect === 'any'
      ? []
      : [['mlsconstrain', ['tcp_socket', ['name_connect']], either(other, either(['neq', 'u1', user], own))] as const]),
    // It spoke to these ports before they had a label of their own, and its master to its workers' socket.
    optional('haproxy', ['allow', 'haproxy_t', portType, ['tcp_socket', ['name_connect']]]),
  ]
}

/** What confined users of Debian 12 and 13 lack for a developer's ordinary work. @see docs/adr/0011-tenants-are-a-selinux-user.md */
const work: readonly CilExpression[] = [
  optional(
    'servers',
    allow(domain, 'node_type', 'tcp_socket', 'node_bind'),
    allow(domain, 'node_type', 'udp_socket', 'node_bind'),
  ),
  // Node makes code as it runs.
  optional('execmem', allow(domain, 'self', 'process', 'execmem')),
  // A cron job's output goes to a file that crond opened and mails.
  optional('cron_output', allow(domain, 'crond_tmp_t', 'file', 'read', 'write', 'append', 'getattr', 'ioctl')),
  // systemd looks what kind of file system a pidfd is on; Debian 13's policy has no label for that one.
  ...[domain, 'user_systemd_t', 'user_dbusd_t'].map((name) =>
    optional(`pidfd_${name}`, allow(name, 'unlabeled_t', 'filesystem', 'getattr')),
  ),
  // systemctl looks whether it is in the namespaces of whom it asks.
  ...[domain, 'user_systemd_t'].map((name) => optional(`namespaces_${name}`, allow(name, 'nsfs_t', 'file', 'getattr'))),
  // What else it makes there has the label of everybody's.
  optional('manager_files', ['typeattributeset', 'ubacfile', ['user_systemd_t']]),
  optional('manager_labels', ['typeattributeset', 'can_change_object_identity', ['user_systemd_t']]),
  // A user service whose output goes to the caller (systemd-run --pipe) is handed ssh's pipe.
  ...['user_systemd_t', 'user_dbusd_t'].map((name) =>
    optional(
      `pipe_${name}`,
      allow(name, 'sshd_t', 'fd', 'use'),
      allow(name, 'sshd_t', 'fifo_file', 'getattr', 'read', 'write', 'append', 'ioctl'),
    ),
  ),
  // Debian 12's bus looks for the service manager's folder when a unit is started through it.
  optional('bus', allow('user_dbusd_t', 'systemd_user_runtime_t', 'dir', 'search')),
  // A unit that says when it is ready does so by the manager's socket; on Debian 12 the bus is one, and may not.
  ...['user_dbusd_t', domain].map((name) =>
    optional(
      `notify_${name}`,
      allow(name, 'systemd_user_runtime_notify_t', 'sock_file', 'write'),
      allow(name, 'user_systemd_t', 'unix_dgram_socket', 'sendto'),
    ),
  ),
  // Debian 12: to start a unit that has no file is asked of the manager itself.
  optional('transient', allow(domain, 'user_systemd_t', 'system', 'start', 'stop', 'status', 'reload')),
  // There its bus does not carry messages between programs and the manager.
  optional('messages', allow(domain, 'user_systemd_t', 'dbus', 'send_msg')),
  optional('answers', allow('user_systemd_t', domain, 'dbus', 'send_msg')),
  // What an administrator gives users' managers for an environment: /etc/systemd/user-environment-generators.
  optional('generators', allow('user_systemd_t', 'etc_t', 'file', 'execute', 'execute_no_trans')),
  // One's own units in ~/.config/systemd/user.
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

/** Left away as a whole where the policy does not know one of its words. */
function optional(name: string, ...statements: readonly CilExpression[]): CilExpression {
  return ['optional', `puppy_${name}`, ...statements]
}
