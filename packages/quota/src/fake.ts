import type { FakeProgram } from '@puppy/host/fake'
import type { QuotaKind } from './limits.ts'

/** Options of `createFakeQuota`. */
export interface FakeQuotaOptions {
  /** Default: `/home`. */
  readonly mountPoint?: string
  /** Default: `ext4`. XFS keeps limits in blocks of 4 KiB. */
  readonly fileSystem?: 'ext4' | 'xfs'
  /** The kinds that are off or only counted. The other kinds are enforced. */
  readonly kinds?: Readonly<Partial<Record<QuotaKind, 'off' | 'accounting'>>>
  /** Ids whose limits the kernel refuses. It accepts the limits of all other ids. */
  readonly refused?: readonly number[]
  /** Ignores changes of the grace time of a single id, as old kernels do on XFS. */
  readonly keepsGrace?: boolean
}

/** The quota tools and one file system, in memory, for a fake host. */
export interface FakeQuota {
  /** `createFakeHost({ programs: { ...fake.programs }, files: { ...fake.files } })` */
  readonly programs: Readonly<Record<string, FakeProgram>>
  readonly files: Readonly<Record<string, string>>
  /** Sets the usage of an id. Ignores its limits. */
  use(kind: QuotaKind, id: number, used: { readonly bytes: number; readonly inodes: number }): void
  /** Sets limits as another program would: soft and hard KiB, soft and hard inodes. */
  meddle(kind: QuotaKind, id: number, limits: readonly [number, number, number, number]): void
}

interface Counter {
  used: number
  soft: number
  hard: number
  graceEnds: number
}

interface Row {
  readonly space: Counter
  readonly inodes: Counter
}

interface Kind {
  readonly head: string
  readonly mode: 'off' | 'accounting' | 'enforcing'
  readonly rows: Map<number, Row>
  grace: readonly [space: number, inodes: number]
}

const week = 604_800

/**
 * Creates quota tools in memory. They store limits and print them as the real tools do, and pass the same conformance suite. They enforce
 * no limit, so do not use them to test whether a limit holds.
 */
export function createFakeQuota(options: FakeQuotaOptions = {}): FakeQuota {
  const { mountPoint = '/home', fileSystem = 'ext4', refused = [] } = options
  const kindOf = (kind: QuotaKind, head: string): Kind => ({
    head,
    mode: options.kinds?.[kind] ?? 'enforcing',
    rows: new Map(),
    grace: [week, week],
  })
  const kinds = { user: kindOf('user', 'User'), group: kindOf('group', 'Group'), project: kindOf('project', 'Project') }
  const flags: Readonly<Record<string, Kind>> = { '-u': kinds.user, '-g': kinds.group, '-P': kinds.project }
  const block = fileSystem === 'xfs' ? 4 : 1
  const limit = (kind: Kind, id: number, limits: readonly number[]) => {
    const row = rowOf(kind, id)
    const [soft = 0, hard = 0, inodesSoft = 0, inodesHard = 0] = limits
    Object.assign(row.space, { soft: Math.ceil(soft / block) * block, hard: Math.ceil(hard / block) * block })
    Object.assign(row.inodes, { soft: inodesSoft, hard: inodesHard })
    update(kind, id)
  }

  const onMount =
    (
      tool: string,
      work: (kind: Kind, args: readonly string[], input: string) => ReturnType<FakeProgram>,
    ): FakeProgram =>
    ({ args, input }) => {
      const kind = flags[args[0] ?? '']
      if (args.at(-1) !== mountPoint) return { exitCode: 2, stderr: `${tool}: Cannot stat() given mountpoint\n` }
      if (kind !== undefined && kind.mode !== 'off') return work(kind, args, input)
      return { exitCode: 1, stderr: `${tool}: Not all specified mountpoints are using quota.\n` }
    }
  const setquota = onMount('setquota', (kind, args, input) => {
    if (args[1] === '-T') {
      const row = rowOf(kind, Number(args[2]))
      for (const [at, counter] of [row.space, row.inodes].entries())
        if (counter.graceEnds > 0 && options.keepsGrace !== true)
          counter.graceEnds = Math.floor(Date.now() / 1000) + Number(args[3 + at])
      return {}
    }
    if (args[1] === '-t') {
      kind.grace = [Number(args[2]), Number(args[3])]
      return {}
    }
    const bad: string[] = []
    for (const line of input.split('\n').slice(0, -1)) {
      const [id = 0, ...limits] = line.split(' ').map(Number)
      if (refused.includes(id))
        bad.push(`setquota: Cannot write quota for ${id} on /dev/fake: Numerical result out of range\n`)
      else limit(kind, id, limits)
    }
    return bad.length === 0 ? {} : { exitCode: 1, stderr: bad.join('') }
  })

  const device = 64_784
  return Object.freeze<FakeQuota>({
    files: {
      '/proc/self/mountinfo': `28 1 254:0 / / rw - ext4 /dev/root rw\n46 28 253:16 / ${mountPoint} rw - ${fileSystem} /dev/fake rw\n`,
    },
    programs: {
      '/usr/bin/stat': ({ args }) => {
        const path = args.at(-1) ?? ''
        if (args.includes('%S')) return { stdout: '4096\n' }
        return { stdout: path === mountPoint || path.startsWith(`${mountPoint}/`) ? `${device}\n` : '65024\n' }
      },
      '/usr/bin/sync': ({ args }) => (args.at(-1) === mountPoint ? {} : { exitCode: 1 }),
      '/usr/sbin/xfs_quota': ({ args }) => ({
        stdout: args.at(-1) === mountPoint ? renderState(kinds, fileSystem) : '',
      }),
      '/usr/sbin/repquota': onMount('repquota', (kind) => ({ stdout: renderReport(kind) })),
      '/usr/sbin/setquota': setquota,
    },
    use: (name, id, { bytes, inodes }) => {
      const row = rowOf(kinds[name], id)
      row.space.used = Math.ceil(bytes / 1024)
      row.inodes.used = inodes
      update(kinds[name], id)
    },
    meddle: (name, id, limits) => limit(kinds[name], id, limits),
  })
}

function rowOf({ rows }: Kind, id: number): Row {
  const counter = (): Counter => ({ used: 0, soft: 0, hard: 0, graceEnds: 0 })
  const row = rows.get(id) ?? { space: counter(), inodes: counter() }
  rows.set(id, row)
  return row
}

/** Starts and stops grace times, and deletes an id that has neither usage nor limits, as the kernel does. */
function update({ rows, grace }: Kind, id: number): void {
  const row = rows.get(id)
  if (row === undefined) return
  const now = Math.floor(Date.now() / 1000)
  for (const [at, counter] of [row.space, row.inodes].entries()) {
    if (counter.soft === 0 || counter.used <= counter.soft) counter.graceEnds = 0
    else if (counter.graceEnds === 0) counter.graceEnds = now + (grace[at] ?? 0)
  }
  if ([row.space, row.inodes].every(({ used, soft, hard }) => used === 0 && soft === 0 && hard === 0)) rows.delete(id)
}

function renderReport({ head, rows }: Kind): string {
  const columns =
    'BlockStatus,FileStatus,BlockUsed,BlockSoftLimit,BlockHardLimit,BlockGrace,FileUsed,FileSoftLimit,FileHardLimit,FileGrace'
  const status = ({ used, soft }: Counter) => (soft > 0 && used > soft ? 'soft' : 'ok')
  const numbers = ({ used, soft, hard, graceEnds }: Counter) => [used, soft, hard, graceEnds]
  const lines = [...rows]
    .toSorted(([one], [other]) => one - other)
    .map(([id, { space, inodes }]) =>
      [`#${id}`, status(space), status(inodes), ...numbers(space), ...numbers(inodes)].join(','),
    )
  return [`${head},${columns}`, ...lines, ''].join('\n')
}

function renderState(kinds: Readonly<Record<QuotaKind, Kind>>, fileSystem: string): string {
  const inodes: Readonly<Record<QuotaKind, number>> =
    fileSystem === 'xfs' ? { user: 131, group: 132, project: 133 } : { user: 3, group: 4, project: 12 }
  return (['user', 'group', 'project'] as const)
    .map((name) => {
      const { head, mode, grace } = kinds[name]
      const times = grace.map((seconds) => (mode === 'off' ? '--------' : renderGrace(seconds)))
      return [
        `${head} quota state on /home (/dev/fake)`,
        `  Accounting: ${mode === 'off' ? 'OFF' : 'ON'}`,
        `  Enforcement: ${mode === 'enforcing' ? 'ON' : 'OFF'}`,
        `  Inode: ${mode === 'off' ? 'N/A' : `#${inodes[name]} (1 blocks, 1 extents)`}`,
        `Blocks grace time: [${times[0]}]`,
        `Inodes grace time: [${times[1]}]`,
        '',
      ].join('\n')
    })
    .join('')
}

function renderGrace(seconds: number): string {
  const days = Math.floor(seconds / 86_400)
  const clock = new Date((seconds % 86_400) * 1000).toISOString().slice(11, 19)
  return `${days} ${days === 1 ? 'day' : 'days'}${clock === '00:00:00' ? '' : ` ${clock}`}`
}
