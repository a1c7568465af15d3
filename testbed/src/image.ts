import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GuestDefinition } from '../definition/guest.ts'
import { build, programOf, type BuildContext } from './build.ts'
import { imageId, readInputs } from './definition.ts'
import { TestbedError } from './errors.ts'
import { assertSpace, proxyEnvironment } from './needs.ts'
import { seal } from './seal.ts'

const definitionFolder = fileURLToPath(new URL('../definition', import.meta.url))

/**
 * Returns the folder of the image of a definition. Builds the image when none with the same content exists.
 *
 * The build works in a temporary folder and renames it at the end, so an unfinished image is never used. The next build deletes it.
 *
 * @throws TestbedError
 */
export async function ensureImage(context: BuildContext, definition: GuestDefinition): Promise<string> {
  const { paths, say } = context
  await ensureKey(context)
  const publicKey = await readFile(`${paths.key}.pub`, 'utf8')
  const id = imageId(definition, await readInputs(definitionFolder), publicKey)
  const folder = join(paths.images, definition.release, id)
  if (existsSync(folder)) return folder
  await removeUnfinished(context, definition.release)
  await assertSpace(paths.base, 4 * 2 ** 30)
  say(`Building the image of ${definition.version} (${definition.release}) with SELinux, once for each definition`)
  const building = join(paths.images, definition.release, `.building-${id}`)
  await makeBuildFolders(building)
  await bootstrap(context, definition, building)
  await seal(context, definition, building)
  await rm(join(building, 'tmp'), { recursive: true })
  await chmod(building, 0o700)
  await rename(building, folder)
  await removeOthers(context, definition.release, id)
  return folder
}

/** Creates the folders of a build. Without root, mmdebstrap runs as another user, which must be able to enter and write them. */
async function makeBuildFolders(building: string): Promise<void> {
  const folders = [building, join(building, 'tmp')]
  for (const folder of folders) {
    await mkdir(folder, { recursive: true })
    await chmod(folder, process.getuid?.() === 0 ? 0o700 : 0o777)
  }
  if (process.getuid?.() === 0) return
  for (let folder = dirname(building); folder !== '/'; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) !== 0) continue
    throw new TestbedError(
      `Cannot build an image without root: mmdebstrap runs as a user who cannot enter ${folder}; run: chmod o+x ${folder}`,
    )
  }
}

/** Deletes the images of older definitions. No guest uses them, because no guest of this release runs during a build. */
async function removeOthers({ paths }: BuildContext, release: string, id: string): Promise<void> {
  const folder = join(paths.images, release)
  for (const name of await readdir(folder)) if (name !== id) await rm(join(folder, name), { recursive: true })
}

/** Creates the ssh key of this checkout if it does not exist. */
async function ensureKey({ host, paths }: BuildContext): Promise<void> {
  if (existsSync(paths.key) && existsSync(`${paths.key}.pub`)) return
  await rm(paths.key, { force: true })
  const words = ['-q', '-t', 'ed25519', '-N', '', '-C', 'testbed', '-f', paths.key]
  await host.run([programOf(host, 'ssh-keygen'), ...words], { touches: 'files' })
}

/**
 * Runs mmdebstrap, without root as root of a user namespace. When this process is killed, the kernel also ends mmdebstrap and removes its
 * mounts.
 */
async function bootstrap(context: BuildContext, definition: GuestDefinition, building: string): Promise<void> {
  const { host, paths } = context
  const [setpriv, mmdebstrap] = [programOf(host, 'setpriv'), programOf(host, 'mmdebstrap')]
  const contained = [
    programOf(host, 'unshare'),
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    mmdebstrap,
    '--mode=root',
  ]
  const packages = `--include=${definition.packages.join(',')}`
  const hook = `--customize-hook=${join(definitionFolder, 'customize')}`
  const words = [
    '--variant=minbase',
    '--format=null',
    '--aptopt=Acquire::Retries "5"',
    packages,
    hook,
    definition.release,
    '/dev/null',
  ]
  const env = {
    ...proxyEnvironment(),
    TMPDIR: join(building, 'tmp'),
    TESTBED_OUT: building,
    TESTBED_KEY: `${paths.key}.pub`,
    TESTBED_ROOT_SIZE: definition.rootSize,
    TESTBED_MASK: definition.mask.join(' '),
    TESTBED_ENABLE: definition.enable.join(' '),
    TESTBED_DISABLE: definition.disable.join(' '),
  }
  const start = process.getuid?.() === 0 ? contained : [mmdebstrap, '--mode=unshare']
  await build(context, [setpriv, '--pdeathsig', 'KILL', ...start, ...words], { env, log: join(building, 'build.log') })
}

/** Deletes the folders of killed builds. Without root they belong to a user namespace, and only its root can delete them. */
async function removeUnfinished({ host, paths }: BuildContext, release: string): Promise<void> {
  const parent = join(paths.images, release)
  await mkdir(parent, { recursive: true })
  for (const name of (await readdir(parent)).filter((entry) => entry.startsWith('.building-'))) {
    const folder = join(parent, name)
    try {
      await rm(folder, { recursive: true, force: true })
    } catch {
      const inside = [programOf(host, 'mmdebstrap'), '--unshare-helper', 'rm', '-rf', '--', folder] as const
      await host.run([...inside], { touches: 'files', timeout: 120_000 })
    }
  }
}
