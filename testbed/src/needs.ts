import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createHost, type Host } from '@puppy/host'
import { TestbedError } from './errors.ts'

interface Need {
  /** Its name, or the path of a file that is no program. */
  readonly program: string
  readonly package: string
}

/** The programs that build and run a guest, and Debian's packages that bring them. */
const needs: readonly Need[] = [
  { program: 'qemu-system-x86_64', package: 'qemu-system-x86' },
  { program: 'qemu-img', package: 'qemu-utils' },
  { program: 'mmdebstrap', package: 'mmdebstrap' },
  { program: '/usr/share/keyrings/debian-archive-keyring.gpg', package: 'debian-archive-keyring' },
  { program: 'mke2fs', package: 'e2fsprogs' },
  { program: 'ssh', package: 'openssh-client' },
  { program: 'ssh-keygen', package: 'openssh-client' },
  { program: 'git', package: 'git' },
  { program: 'tar', package: 'tar' },
  { program: 'setpriv', package: 'util-linux' },
]

/** mmdebstrap makes a user namespace without root, and asks these for the numbers in it. */
const needsWithoutRoot: readonly Need[] = [{ program: 'newuidmap', package: 'uidmap' }]

/** Debian's packages that are missing, each once. Pure. */
export function missingPackages(has: (program: string) => boolean, root: boolean): readonly string[] {
  const all = root ? needs : [...needs, ...needsWithoutRoot]
  return [...new Set(all.filter(({ program }) => !has(program)).map((need) => need.package))]
}

export interface NeedsOptions {
  readonly host?: Host
  readonly say: (line: string) => void
  /** Whether packages may be installed: by root, unless `PUPPY_NO_INSTALL=1`. */
  readonly install: boolean
}

/**
 * Makes sure that the programs are there; as root on a Debian-like system it installs what is missing, after saying so.
 *
 * @throws TestbedError with the line to run when it may not or cannot.
 */
export async function ensureNeeds({ host = createHost(), say, install }: NeedsOptions): Promise<void> {
  if (process.arch !== 'x64')
    throw new TestbedError(`The testbed was made for x64 machines, and this is ${process.arch}`)
  const has = (program: string) => (program.startsWith('/') ? existsSync(program) : host.program(program) !== undefined)
  const missing = missingPackages(has, process.getuid?.() === 0)
  if (missing.length === 0) return
  const line = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  const apt = host.program('apt-get')
  if (!install || apt === undefined)
    throw new TestbedError(`The testbed needs ${missing.join(', ')}; as root run: ${line}`)
  say(`Installing ${missing.join(', ')}, which build and run the guest`)
  const env = { DEBIAN_FRONTEND: 'noninteractive', ...proxyEnvironment() }
  const slow = { touches: 'machine', timeout: 900_000, env } as const
  // Somebody else's apt may be at work.
  const patience = ['-o', 'DPkg::Lock::Timeout=300']
  try {
    await host.run([apt, 'update', '-q', ...patience], slow)
    await host.run([apt, 'install', ...patience, '-y', '-q', '--no-install-recommends', '--', ...missing], slow)
  } catch (error) {
    throw new TestbedError(`Cannot install what the testbed needs: ${String(error)}; as root run: ${line}`)
  }
}

/** The way to the packages, where there is no direct one. */
export function proxyEnvironment(env: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy']
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}

/** @throws TestbedError when fewer bytes are free where this folder is. */
export async function assertSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  if (free >= bytes) return
  const gib = (value: number) => (value / 2 ** 30).toFixed(1)
  throw new TestbedError(`The testbed needs ${gib(bytes)} GiB in ${folder}, and ${gib(free)} GiB are free there`)
}
