import { requireTool, type EffectOptions, type Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import { assertId } from './limits.ts'
import { notInstalled, runProgram } from './program.ts'
import type { QuotaReading } from './report.ts'

/**
 * Returns the lowest project id of an inclusive range that is not taken and has neither usage nor limits in the kernel. The next owner of
 * the id would inherit them. Pure. Hold a lock while you read, choose and record the id.
 *
 * @throws QuotaError `QUOTA_INVALID` when the range is invalid or full.
 */
export function chooseProject(
  readings: readonly QuotaReading[],
  taken: Iterable<number>,
  { first, last }: { readonly first: number; readonly last: number },
): number {
  assertId(first)
  assertId(last)
  const used = new Set([...taken, ...readings.map(({ id }) => id)])
  for (let id = first; id <= last; id += 1) if (!used.has(id)) return id
  const facts = {
    operation: 'choose a project from',
    target: `${first}-${last}`,
    detail: 'every id of the range is taken or still has usage or limits; use a larger range',
  }
  throw new QuotaError('QUOTA_INVALID', facts)
}

/**
 * Assigns a folder and everything in it to a project. Files that are created in it later belong to the project too. Folders are assigned
 * before files, so that a file created meanwhile is not missed. The project of links, sockets and pipes cannot be changed.
 *
 * Only for folders that no tenant owns. An owner may assign its files to another project, and could swap folders while they are walked.
 * Does not cross mounts. `mv` into the folder from another project copies the file.
 *
 * @throws QuotaError `QUOTA_INVALID`, `QUOTA_REFUSED` (the file system has no projects, or a file was deleted meanwhile, in which case you
 *   can call again), `QUOTA_MISMATCH`, `QUOTA_NOT_INSTALLED`, `QUOTA_TIMEOUT`.
 */
export async function assignProject(
  host: Host,
  folder: string,
  project: number,
  options: EffectOptions = {},
): Promise<void> {
  assertId(project)
  await mark(host, folder, project, options)
}

/**
 * Removes a folder and everything in it from its project. Links, sockets and pipes that were created in it stay charged until they are
 * deleted. Reuse the id only when its usage is 0, as `chooseProject` does.
 *
 * @throws QuotaError as `assignProject`.
 */
export async function clearProject(host: Host, folder: string, options: EffectOptions = {}): Promise<void> {
  await mark(host, folder, 0, options)
}

/** Reads the project of a folder (0: none) and whether files created in it inherit the project. @throws QuotaError as `assignProject` */
export async function readProject(
  host: Host,
  folder: string,
  options: EffectOptions = {},
): Promise<{ readonly project: number; readonly inherits: boolean }> {
  assertFolder(folder)
  const operation = 'read the project of'
  const run = { ...options, touches: 'nothing', operation, target: folder } as const
  const { stdout, stderr } = await runProgram(host, ['lsattr', '-d', '-p', '--', folder], run)
  const found = parseProject(stdout)
  if (found !== undefined) return found
  // lsattr exits with 0 even if it could not read the folder.
  throw new QuotaError('QUOTA_REFUSED', { operation, target: folder, said: `${stderr.trim()} ${stdout.trim()}`.trim() })
}

/** Parses a line of lsattr with project, attributes and path: ` 4243 --------------e----P-- /home/p`. @see lsattr(1) */
export function parseProject(text: string): { readonly project: number; readonly inherits: boolean } | undefined {
  const [, project, attributes = ''] = /^ *(\d{1,10}) ([-A-Za-z]{8,40}) /.exec(text) ?? []
  return project === undefined ? undefined : { project: Number(project), inherits: attributes.includes('P') }
}

async function mark(host: Host, folder: string, project: number, options: EffectOptions): Promise<void> {
  assertFolder(folder)
  const operation = project === 0 ? 'clear the project of' : `assign project ${project} to`
  const chattr = requireTool(host, 'chattr', notInstalled)
  const run = { ...options, touches: 'machine', operation, target: folder } as const
  const each = (type: string, words: readonly string[]) =>
    runProgram(host, ['find', folder, '-xdev', '-type', type, '-exec', chattr, ...words, '--', '{}', '+'], run)
  await each('d', [project === 0 ? '-P' : '+P', '-p', String(project)])
  await each('f', ['-p', String(project)])
  const found = await readProject(host, folder, options)
  if (found.project === project && found.inherits === (project !== 0)) return
  throw new QuotaError('QUOTA_MISMATCH', {
    operation,
    target: folder,
    value: JSON.stringify(found),
    detail: 'this value was read back; check whether another program changes it, then try again',
  })
}

function assertFolder(folder: string): void {
  if (folder.startsWith('/') && !folder.includes('\0')) return
  const detail = 'the path must be absolute and must not contain a NUL byte'
  throw new QuotaError('QUOTA_INVALID', { operation: 'use the folder', target: folder, detail })
}
