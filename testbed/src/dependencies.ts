import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { shortHash } from './definition.ts'
import { TestbedError } from './errors.ts'
import { programOf, type BuildContext } from './build.ts'
import { assertSpace } from './needs.ts'

/**
 * Returns the path of the disk with the installed dependencies and the pinned Node. Builds it when it does not exist for this lock file.
 *
 * The guest has no network to fetch dependencies from, and `sync` does not have to copy 500 MB.
 *
 * @throws TestbedError
 */
export async function ensureDependencies(context: BuildContext): Promise<string> {
  const { host, paths, say, signal } = context
  const file = join(paths.dependencies, `${await dependenciesId(paths.checkout)}.img`)
  if (existsSync(file)) return file
  await mkdir(paths.dependencies, { recursive: true, mode: 0o700 })
  // A running guest may use an older disk. Its open file descriptors keep the deleted file.
  for (const old of await readdir(paths.dependencies)) await rm(join(paths.dependencies, old))
  await assertSpace(paths.base, 2 ** 30)
  say('Building the disk with the dependencies')
  const building = join(paths.dependencies, '.building')
  const words = ['-q', '-t', 'ext4', '-L', 'dependencies', '-d', join(paths.checkout, 'node_modules'), building, '3G']
  const options = { touches: 'files', timeout: 300_000, ...(signal === undefined ? {} : { signal }) } as const
  const make = () => host.run([programOf(host, 'mke2fs'), ...words], options)
  // Try a second time: another Node may have written to its cache in that folder at the same moment.
  await make().catch(async () => {
    await rm(building, { force: true })
    await make()
  })
  await rename(building, file)
  return file
}

/**
 * Returns the id of the installed dependencies, from the file that `tools/bootstrap.mjs` writes after it has installed them.
 *
 * @throws TestbedError when they are missing or do not match the lock file. The guest has no network and could not install them.
 */
export async function dependenciesId(checkout: string): Promise<string> {
  const stamp = await readFile(join(checkout, 'node_modules/.puppy-installed'), 'utf8').catch(() => '')
  const hash = createHash('sha256')
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(await readFile(join(checkout, file)))
  if (stamp === `${hash.digest('hex')} ${process.arch}`) return shortHash([stamp])
  throw new TestbedError(
    'The installed dependencies do not match the lock file; to install them, run: npm run testbed -- status',
  )
}
