import type { Host } from '@puppy/host'
import { StartError } from '@puppy/state'

/** A program that the machine must have, and the Debian package that contains it. */
export interface Need {
  readonly program: string
  /** Names of the same program in other packages. */
  readonly or?: readonly string[]
  readonly package: string
  /** What it does for Puppy, as the end of "which …". */
  readonly why: string
}

/** The programs that Puppy needs and whose packages it installs: haproxy, nftables, util-linux, keyutils, and systemd's standalone tools. */
export const needs: readonly Need[] = [
  { program: 'haproxy', package: 'haproxy', why: 'routes web traffic to tenants' },
  {
    program: 'systemd-sysusers',
    or: ['systemd-sysusers.standalone'],
    package: 'systemd-standalone-sysusers',
    why: 'creates users in batches',
  },
  {
    program: 'systemd-tmpfiles',
    or: ['systemd-tmpfiles.standalone'],
    package: 'systemd-standalone-tmpfiles',
    why: 'creates their homes',
  },
  { program: 'nft', package: 'nftables', why: 'lets only a tenant use its ports' },
  { program: 'setpriv', package: 'util-linux', why: 'starts processes without privileges' },
  { program: 'keyctl', package: 'keyutils', why: 'removes keys of former tenants from the kernel' },
]

/** Returns the needs that the machine lacks. Pure. */
export function missingNeeds(has: (program: string) => boolean): readonly Need[] {
  return needs.filter(({ program, or = [] }) => ![program, ...or].some(has))
}

/** Returns the command that installs the packages of these needs. Pure. */
export function installLine(missing: readonly Need[]): string {
  return `apt-get install -y ${missing.map((need) => need.package).join(' ')}`
}

/** How packages are installed. */
export interface InstallOptions {
  /** Whether packages may be installed. */
  readonly install: boolean
  readonly say: (line: string) => void
}

/**
 * Installs the missing Debian packages, and first prints which ones and why. Needs root and the network.
 *
 * @throws StartError with the command to run when it may not or cannot install them.
 */
export async function ensurePackages(machine: Host, { install, say }: InstallOptions): Promise<void> {
  const missing = missingNeeds((program) => machine.program(program) !== undefined)
  if (missing.length === 0) return
  for (const need of missing) say(`Missing: ${need.package}, which ${need.why}`)
  const apt = machine.program('apt-get')
  if (!install || apt === undefined) {
    const why = install
      ? 'apt-get, which installs them, was not found; install the programs of'
      : 'PUPPY_NO_INSTALL=1 is set; run'
    throw new StartError(`Packages are missing, and ${why} this command and start again: ${installLine(missing)}`)
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const slow = { touches: 'machine', timeout: 600_000, env } as const
  say(`Running: ${installLine(missing)}`)
  try {
    await machine.run([apt, 'update', '-q'], slow)
    await machine.run(
      [apt, 'install', '-y', '-q', '--no-install-recommends', '--', ...missing.map((need) => need.package)],
      slow,
    )
  } catch (error) {
    const why = error instanceof Error ? error.message : 'apt-get failed'
    throw new StartError(
      `Cannot install packages: ${why}; run this command yourself and start again: ${installLine(missing)}`,
    )
  }
  const still = missingNeeds((program) => machine.program(program) !== undefined)
  if (still.length > 0) {
    const programs = still.map(({ program }) => program).join(', ')
    throw new StartError(`Packages were installed, but programs are missing: ${programs}; install them and start again`)
  }
}
