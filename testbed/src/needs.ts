import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createHost, type Host } from '@puppy/host'
import { TestbedError } from './errors.ts'

interface Need {
  /** The name of a program, or the path of another file. */
  readonly program: string
  readonly package: string
}

/** The programs that build and run a guest, and the Debian packages that contain them. */
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

/** Without root, mmdebstrap creates a user namespace. This program maps the user ids in it. */
const needsWithoutRoot: readonly Need[] = [{ program: 'newuidmap', package: 'uidmap' }]

/** Returns the Debian packages that are missing, each once. Pure. */
export function missingPackages(has: (program: string) => boolean, root: boolean): readonly string[] {
  const all = root ? needs : [...needs, ...needsWithoutRoot]
  return [...new Set(all.filter(({ program }) => !has(program)).map((need) => need.package))]
}

/** Options of `ensureNeeds`. */
export interface NeedsOptions {
  readonly host?: Host
  readonly say: (line: string) => void
  /** Whether packages may be installed. The command sets it for root, unless `PUPPY_NO_INSTALL=1`. */
  readonly install: boolean
}

/**
 * Checks that the programs are installed. With `install`, on a system with apt-get, prints and installs the missing packages.
 *
 * @throws TestbedError with the command to run when packages are missing and cannot be installed.
 */
export async function ensureNeeds({ host = createHost(), say, install }: NeedsOptions): Promise<void> {
  if (process.arch !== 'x64')
    throw new TestbedError(`The testbed runs only on x64 machines, and this machine is ${process.arch}`)
  const has = (program: string) => (program.startsWith('/') ? existsSync(program) : host.program(program) !== undefined)
  const missing = missingPackages(has, process.getuid?.() === 0)
  if (missing.length === 0) return
  const line = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  const apt = host.program('apt-get')
  if (!install || apt === undefined)
    throw new TestbedError(`The testbed needs ${missing.join(', ')}; as root run: ${line}`)
  say(`Installing ${missing.join(', ')} to build and run the guest`)
  const env = { DEBIAN_FRONTEND: 'noninteractive', ...proxyEnvironment() }
  const slow = { touches: 'machine', timeout: 900_000, env } as const
  // Another apt process may hold the lock.
  const patience = ['-o', 'DPkg::Lock::Timeout=300']
  try {
    await host.run([apt, 'update', '-q', ...patience], slow)
    await host.run([apt, 'install', ...patience, '-y', '-q', '--no-install-recommends', '--', ...missing], slow)
  } catch (error) {
    throw new TestbedError(`Cannot install the packages that the testbed needs: ${String(error)}; as root run: ${line}`)
  }
}

/** Returns the environment variables of the HTTP proxy, for machines without direct access to the packages. */
export function proxyEnvironment(env: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy']
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}

/** Throws when the file system of a folder has too little free space. @throws TestbedError */
export async function assertSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  if (free >= bytes) return
  const gib = (value: number) => (value / 2 ** 30).toFixed(1)
  throw new TestbedError(`The testbed needs ${gib(bytes)} GiB in ${folder}, but only ${gib(free)} GiB are free there`)
}
