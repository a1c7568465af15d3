import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { shortHash } from './definition.ts'
import { TestbedError } from './errors.ts'
import { programOf, type BuildContext } from './build.ts'
import { assertSpace } from './needs.ts'

/**
 * The installed dependencies as a disk, with the pinned Node among them: 500 MB that no sync has to carry, and no network
 * in the guest to fetch them from. Made again when the lock file has changed.
 *
 * @throws TestbedError
 */
export async function ensureDependencies(context: BuildContext): Promise<string> {
  const { host, paths, say, signal } = context
  const file = join(paths.dependencies, `${await dependenciesId(paths.checkout)}.img`)
  if (existsSync(file)) return file
  await mkdir(paths.dependencies, { recursive: true, mode: 0o700 })
  // Older ones may be below a guest that runs, whose open descriptors keep them.
  for (const old of await readdir(paths.dependencies)) await rm(join(paths.dependencies, old))
  await assertSpace(paths.base, 2 ** 30)
  say('Making a disk of the dependencies')
  const building = join(paths.dependencies, '.building')
  const words = ['-q', '-t', 'ext4', '-L', 'dependencies', '-d', join(paths.checkout, 'node_modules'), building, '3G']
  const options = { touches: 'files', timeout: 300_000, ...(signal === undefined ? {} : { signal }) } as const
  const make = () => host.run([programOf(host, 'mke2fs'), ...words], options)
  // Once more: another Node may have written to its cache in there meanwhile.
  await make().catch(async () => {
    await rm(building, { force: true })
    await make()
  })
  await rename(building, file)
  return file
}

/**
 * Names the dependencies that are installed, by what `tools/bootstrap.mjs` wrote when it had installed them.
 *
 * @throws TestbedError when they are not there, or not the lock file's: the guest, without a network, could not mend that.
 */
export async function dependenciesId(checkout: string): Promise<string> {
  const stamp = await readFile(join(checkout, 'node_modules/.puppy-installed'), 'utf8').catch(() => '')
  const hash = createHash('sha256')
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(await readFile(join(checkout, file)))
  if (stamp === `${hash.digest('hex')} ${process.arch}`) return shortHash([stamp])
  throw new TestbedError(
    'The dependencies that are installed are not those of the lock file; run: npm run testbed -- status',
  )
}
