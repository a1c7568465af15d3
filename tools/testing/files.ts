import { glob } from 'node:fs/promises'

/** Which test files to run. */
export interface Selection {
  /** Whether to run only the tests under `test/live/`, which need their own host. Otherwise only the other tests run. */
  readonly live: boolean
  /** The half of `test/live/reboot/` to run. Absent: neither half runs. */
  readonly reboot?: string
  /** Parts of paths. The path of a file must contain one of them. Empty: every file. */
  readonly parts: readonly string[]
}

/** Returns the test files of a selection, as sorted paths below the current folder. */
export async function findTests(selection: Selection): Promise<readonly string[]> {
  const found: string[] = []
  for await (const file of glob(['{packages/*,testbed,tools}/test/**/*.ts'])) found.push(file)
  return found.filter((file) => isSelected(file, selection)).toSorted()
}

/** Returns whether a file under `test/` is a test of this selection. Helpers are in a folder `support` or `fixtures`. Pure. */
export function isSelected(file: string, { live, reboot, parts }: Selection): boolean {
  if (isHelper(file)) return false
  if (file.includes('/test/live/') !== live) return false
  if (/\/test\/live\/reboot\/(before|after)\//.exec(file)?.[1] !== reboot) return false
  return parts.length === 0 || parts.some((part) => file.includes(part))
}

/** Returns whether a file under `test/` is a helper of tests. Pure. */
export function isHelper(file: string): boolean {
  return /\/(support|fixtures)\//.test(file)
}

/** Returns whether a test takes minutes on an emulated machine. Such a test runs only with `--full`. Pure. */
export function isLongRun(file: string): boolean {
  return file.includes('/test/live/long/')
}

/**
 * Code that affects the whole process of a test file, so that the file cannot share a process: hooks of tap's root, the state and the
 * signals of the process, children that inherit its descriptors, garbage collection.
 */
const needsOwnProcess = [
  /^(await |void )?t\.(beforeEach|afterEach|before|after|plan|bailout|skip|comment|teardown)\(/m,
  // A helper that receives tap's root adds a teardown to it. tap then ends its root as soon as no test runs.
  /^(export )?(const|let|await) (?!.*(\bt\.test|\bstartPostgres)\().*[(,] ?t[,)]/m,
  /\bprocess\.(chdir|exit|kill|on|once|umask|sete?[ug]id)\(/,
  /\bprocess\.(env(\.\w+|\[[^\]]+\])|exitCode) = /,
  /\bgc\(\)|memoryUsage|getActiveResourcesInfo/,
  /\bstartPuppy|createPuppy|\bfork\(/,
]

/** Returns whether a test file with this text may share a process with other test files. Pure. */
export function canShare(text: string): boolean {
  return !needsOwnProcess.some((pattern) => pattern.test(text))
}

/** A test file to group. */
export interface TestFile {
  readonly path: string
  /** Whether it may share a process. */
  readonly shares: boolean
  /** The expected time of the file, in any unit. */
  readonly weight: number
}

/**
 * Groups test files into the processes that run them. Pure.
 *
 * Files of one package share processes, because they load the same modules. A file that cannot share is its own group. The heaviest groups
 * come first, so that the last ones are short.
 *
 * @param most how many files one process runs
 */
export function groupFiles(files: readonly TestFile[], most: number): readonly (readonly string[])[] {
  const alone = files.filter(({ shares }) => !shares).map(({ path, weight }) => ({ paths: [path], weight }))
  const shared = [...Map.groupBy(files.filter(({ shares }) => shares).values(), ({ path }) => packageOf(path)).values()]
  const together = shared.flatMap((ofPackage) => {
    const count = Math.ceil(ofPackage.length / most)
    // Distribute the files in turn, so that heavy files are in different processes.
    const dealt = Array.from({ length: count }, (_, at) => ofPackage.filter((_file, index) => index % count === at))
    return dealt.map((group) => ({
      paths: group.map(({ path }) => path),
      weight: group.reduce((sum, { weight }) => sum + weight, 0),
    }))
  })
  return [...alone, ...together].toSorted((one, other) => other.weight - one.weight).map(({ paths }) => paths)
}

function packageOf(path: string): string {
  return path.slice(0, path.indexOf('/test/'))
}
