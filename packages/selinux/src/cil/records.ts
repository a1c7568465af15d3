import { runsOf } from '../category-runs.ts'
import { isIdentifier, type Context } from '../context.ts'
import { SelinuxError } from '../errors.ts'
import type { Level, LevelRange } from '../level.ts'
import { cilText, renderCil, rendered, type CilExpression } from './expression.ts'

export type PortProtocol = 'tcp' | 'udp' | 'sctp' | 'dccp'

/** The context of a port, or of each port of a range. Of two ranges the shorter one counts. */
export interface PortRecord {
  readonly protocol: PortProtocol
  readonly first: number
  /** Inclusive. Default `first`. */
  readonly last?: number
  readonly type: string
  /** Default `s0`. */
  readonly range?: LevelRange
}

/** A SELinux user that no policy has yet: its roles and its levels. */
export interface UserRecord {
  readonly user: string
  /** `object_r`, which its files have, is added. */
  readonly roles: readonly string[]
  readonly range: LevelRange
  /** The prefix of its homes' types, in policies that use it. Default `user`. */
  readonly prefix?: string
}

/** The SELinux user and level that a login has. */
export interface LoginRecord {
  readonly login: string
  readonly user: string
  readonly range: LevelRange
}

/** The context that restorecon(8) gives the file at a path. */
export interface FileRecord {
  readonly path: string
  /** Whether files below the path get it too. Default false. */
  readonly below?: boolean
  readonly context: Context
}

export interface Records {
  readonly users?: readonly UserRecord[]
  readonly ports?: readonly PortRecord[]
  readonly logins?: readonly LoginRecord[]
  readonly files?: readonly FileRecord[]
}

const lowest: LevelRange = { low: { sensitivity: 0, categories: [] }, high: { sensitivity: 0, categories: [] } }
const login = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/

/**
 * Renders records as one module of CIL. Pure.
 *
 * Records of a module and those of semanage(8) exist beside each other. If the policy has the same range with another context, the
 * transaction fails. A shorter range in the policy wins over ours.
 *
 * @throws SelinuxError `SELINUX_INVALID` for what CIL cannot express, ranges of ports that overlap and do not contain each other, and a
 *   range, login or user that is named twice.
 */
export function renderRecords({ users = [], ports = [], logins = [], files = [] }: Records): string {
  assertPorts(ports)
  assertOnce(
    'add the login',
    logins.map(({ login: name }) => name),
  )
  assertOnce(
    'add the user',
    users.map(({ user }) => user),
  )
  return renderCil([
    ...users.flatMap(userStatements),
    ...ports.map(portStatement),
    ...logins.map(loginStatement),
    ...files.map(fileStatement),
  ])
}

function assertOnce(operation: string, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw invalid(operation, name, 'it is named twice')
    seen.add(name)
  }
}

/** `(user puppy_u) (userrole puppy_u user_r) (userlevel puppy_u (s0)) (userrange puppy_u …) (userprefix puppy_u user)` */
export function userStatements({ user, roles, range, prefix = 'user' }: UserRecord): readonly CilExpression[] {
  const name = named(user)
  return [
    ['user', name],
    ...[...new Set([...roles, 'object_r'])].map((role): CilExpression => ['userrole', name, named(role)]),
    ['userlevel', name, levelExpression(range.low)],
    ['userrange', name, rangeExpression(range)],
    ['userprefix', name, named(prefix)],
  ]
}

/** `(portcon tcp (10240 10247) (system_u object_r puppy_port_t ((s0 (c0 c1)) (s0 (c0 c1)))))` */
function portStatement({ protocol, first, last = first, type, range = lowest }: PortRecord): CilExpression {
  const ports = first === last ? `${first}` : [`${first}`, `${last}`]
  return ['portcon', protocol, ports, contextExpression({ user: 'system_u', role: 'object_r', type, range })]
}

/** `(selinuxuser p10000 puppy_u ((s0 (c0 c1)) (s0 (c0 c1))))` */
function loginStatement({ login: name, user, range }: LoginRecord): CilExpression {
  if (!login.test(name)) throw invalid('add the login', name, 'it cannot be the name of a user')
  return ['selinuxuser', name, named(user), rangeExpression(range)]
}

/** `(filecon "/srv/a(/.*)?" any (system_u object_r etc_t ((s0) (s0))))` */
export function fileStatement({ path, below = false, context }: FileRecord): CilExpression {
  return ['filecon', cilText(pathPattern(path) + (below ? '(/.*)?' : '')), 'any', contextExpression(context)]
}

/** Returns a pattern that matches one path. @throws SelinuxError `SELINUX_INVALID` for a path that is not absolute and plain. */
function pathPattern(path: string): string {
  // file_contexts(5) are lines of words: a blank would end the pattern.
  if (!/^(\/[^/\s]+)+$/.test(path) || /\/\.\.?(\/|$)/.test(path)) {
    throw invalid(
      'give a context to the path',
      path,
      'it must be absolute, without blanks, `.`, `..` and a slash at its end',
    )
  }
  return path.replaceAll(/[.^$?*+|[\](){}\\]/g, '\\$&')
}

function contextExpression({ user, role, type, range = lowest }: Context): CilExpression {
  return [named(user), named(role), named(type), rangeExpression(range)]
}

function named(name: string): string {
  if (isIdentifier(name)) return name
  throw invalid('use the name', name, 'it cannot be the name of a user, role or type')
}

const ranges = new WeakMap<LevelRange, CilExpression>()

/** Returns `((s0 (c0 c1)) (s0 (c0 c1)))`, rendered once for all records that share the range. */
export function rangeExpression(range: LevelRange): CilExpression {
  const known = ranges.get(range)
  if (known !== undefined) return known
  const expression = rendered([levelExpression(range.low), levelExpression(range.high)])
  ranges.set(range, expression)
  return expression
}

/** `(s0)`, `(s0 (c0 c1))`, `(s0 ((range c0 c1023)))` */
function levelExpression({ sensitivity, categories }: Level): CilExpression {
  if (categories.length === 0) return [`s${sensitivity}`]
  const runs = runsOf(categories).map(([first, last]): CilExpression =>
    first === last ? `c${first}` : ['range', `c${first}`, `c${last}`],
  )
  return [`s${sensitivity}`, runs]
}

function assertPorts(ports: readonly PortRecord[]): void {
  for (const { protocol, first, last = first } of ports) {
    if (!['tcp', 'udp', 'sctp', 'dccp'].includes(protocol))
      throw invalid('give a context to ports of', protocol, 'the protocol is unknown')
    if (![first, last].every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535) || last < first) {
      throw invalid(
        'give a context to the ports',
        `${first}-${last}`,
        'ports are whole numbers from 1 to 65535, in ascending order',
      )
    }
  }
  for (const one of Map.groupBy(ports, ({ protocol }) => protocol).values()) assertNested(one)
}

/** Ranges may contain each other, because the shorter one counts. Sorted, an open range that does not contain the next overlaps with it. */
function assertNested(ports: readonly PortRecord[]): void {
  const ends = ({ first, last = first }: PortRecord) => ({ first, last })
  const sorted = ports.map(ends).toSorted((one, other) => one.first - other.first || other.last - one.last)
  const open: { readonly first: number; readonly last: number }[] = []
  for (const range of sorted) {
    while (open.length > 0 && open.at(-1)!.last < range.first) open.pop()
    const outer = open.at(-1)
    const shown = `${range.first}-${range.last}`
    if (outer?.first === range.first && outer.last === range.last)
      throw invalid('give a context to the ports', shown, 'they are named twice')
    if (outer !== undefined && outer.last < range.last) {
      throw invalid(
        'give a context to the ports',
        shown,
        `they overlap with ${outer.first}-${outer.last}, and neither contains the other`,
      )
    }
    open.push(range)
  }
}

function invalid(operation: string, target: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation, target, detail })
}
