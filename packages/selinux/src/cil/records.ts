import { runsOf } from '../category-runs.ts'
import { identifierRule, isIdentifier, type Context } from '../context.ts'
import { SelinuxError } from '../errors.ts'
import { levelOf, type Level, type LevelRange } from '../level.ts'
import { cilText, renderCil, rendered, type CilExpression } from './expression.ts'

export type PortProtocol = 'tcp' | 'udp' | 'sctp' | 'dccp'

/** The context of a port, or of each port of a range. If two ranges contain a port, the shorter range counts. */
export interface PortRecord {
  readonly protocol: PortProtocol
  readonly first: number
  /** Inclusive. Default `first`. */
  readonly last?: number
  readonly type: string
  /** Default `s0`. */
  readonly range?: LevelRange
}

/** A new SELinux user that no policy has yet, with its roles and levels. */
export interface UserRecord {
  readonly user: string
  /** The roles of the user. `object_r`, the role of its files, is added. */
  readonly roles: readonly string[]
  readonly range: LevelRange
  /** The prefix of the types of its homes, in policies that use it. Default `user`. */
  readonly prefix?: string
}

/** The SELinux user and level of a login. */
export interface LoginRecord {
  readonly login: string
  readonly user: string
  readonly range: LevelRange
}

/** The context that restorecon(8) sets on the file at a path. */
export interface FileRecord {
  readonly path: string
  /** Whether the record also applies to files below the path. Default false. */
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
 * Records of a module and those of semanage(8) exist side by side. If the policy has the same range with another context, the transaction
 * fails. A shorter range in the policy takes precedence over these records.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a value that CIL cannot express, for ranges of ports that overlap without one containing the
 *   other, and for a range, login or user that appears twice.
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
    if (seen.has(name)) throw invalid(operation, name, 'the name appears twice')
    seen.add(name)
  }
}

/** Returns `(user puppy_u) (userrole puppy_u user_r) (userlevel puppy_u (s0)) (userrange puppy_u …) (userprefix puppy_u user)`. */
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
  if (!login.test(name)) {
    throw invalid(
      'add the login',
      name,
      'a login begins with a letter or _ and has up to 32 letters, digits, _, . and -',
    )
  }
  return ['selinuxuser', name, named(user), rangeExpression(range)]
}

/** Returns `(filecon "/srv/a(/.*)?" any (system_u object_r etc_t ((s0) (s0))))`. */
export function fileStatement({ path, below = false, context }: FileRecord): CilExpression {
  return ['filecon', cilText(pathPattern(path) + (below ? '(/.*)?' : '')), 'any', contextExpression(context)]
}

/** Returns a pattern that matches one path. @throws SelinuxError `SELINUX_INVALID` for a path that is not absolute and plain. */
function pathPattern(path: string): string {
  // A line of file_contexts(5) consists of words of ASCII characters. A blank ends a word, and one other character refuses the whole policy.
  if (!/^(\/[!-.0-~]+)+$/.test(path) || /\/\.\.?(\/|$)/.test(path)) {
    throw invalid(
      'set the context of the path',
      path,
      'the path must be absolute, of ASCII characters, without blanks, `.`, `..` and a slash at the end',
    )
  }
  return path.replaceAll(/[.^$?*+|[\](){}\\]/g, '\\$&')
}

function contextExpression({ user, role, type, range = lowest }: Context): CilExpression {
  return [named(user), named(role), named(type), rangeExpression(range)]
}

function named(name: string): string {
  if (isIdentifier(name)) return name
  throw invalid('use the name', name, identifierRule)
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
function levelExpression(level: Level): CilExpression {
  const { sensitivity, categories } = soundLevel(level)
  if (categories.length === 0) return [`s${sensitivity}`]
  const runs = runsOf(categories).map(([first, last]): CilExpression =>
    first === last ? `c${first}` : ['range', `c${first}`, `c${last}`],
  )
  return [`s${sensitivity}`, runs]
}

/** Returns a level with its categories in order. @throws SelinuxError `SELINUX_INVALID` for a level that no policy has */
export function soundLevel({ categories, sensitivity }: Level, target?: string): Level {
  try {
    return levelOf(categories, sensitivity)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const [operation, detail] = ['use the level', error.message]
    throw new SelinuxError('SELINUX_INVALID', { operation, detail, ...(target === undefined ? {} : { target }) })
  }
}

function assertPorts(ports: readonly PortRecord[]): void {
  for (const { protocol, first, last = first } of ports) {
    if (!['tcp', 'udp', 'sctp', 'dccp'].includes(protocol))
      throw invalid('set the context of ports of', protocol, 'the protocol is unknown; use tcp, udp, sctp or dccp')
    if (![first, last].every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535) || last < first) {
      throw invalid(
        'set the context of the ports',
        `${first}-${last}`,
        'ports are whole numbers from 1 to 65535, in ascending order',
      )
    }
  }
  for (const one of Map.groupBy(ports, ({ protocol }) => protocol).values()) assertNested(one)
}

/**
 * Checks that ranges that overlap contain each other: the shorter one counts. In sorted order, an open range that does not contain the
 * next range overlaps it.
 */
function assertNested(ports: readonly PortRecord[]): void {
  const ends = ({ first, last = first }: PortRecord) => ({ first, last })
  const sorted = ports.map(ends).toSorted((one, other) => one.first - other.first || other.last - one.last)
  const open: { readonly first: number; readonly last: number }[] = []
  for (const range of sorted) {
    while (open.length > 0 && open.at(-1)!.last < range.first) open.pop()
    const outer = open.at(-1)
    const shown = `${range.first}-${range.last}`
    if (outer?.first === range.first && outer.last === range.last)
      throw invalid('set the context of the ports', shown, 'the range appears twice')
    if (outer !== undefined && outer.last < range.last) {
      throw invalid(
        'set the context of the ports',
        shown,
        `the range overlaps ${outer.first}-${outer.last}, and neither range contains the other`,
      )
    }
    open.push(range)
  }
}

function invalid(operation: string, target: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation, target, detail })
}
