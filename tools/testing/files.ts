import { glob } from 'node:fs/promises'

export interface Selection {
  /** Only the tests under `test/live/`, which need a host of their own. */
  readonly live: boolean
  /** The half of `test/live/reboot/` to run; without it neither runs. */
  readonly reboot?: string
  /** Parts of paths, one of which a file must hold. Empty: every file. */
  readonly parts: readonly string[]
}

/** Returns the test files that a selection names, as paths below the current folder, sorted. */
export async function findTests(selection: Selection): Promise<readonly string[]> {
  const found: string[] = []
  for await (const file of glob(['{packages/*,testbed,tools}/test/**/*.ts'])) found.push(file)
  return found.filter((file) => isSelected(file, selection)).toSorted()
}

/** Returns whether a file under `test/` is a test of this selection. Files that help others are in a folder `support` or `fixtures`. */
export function isSelected(file: string, { live, reboot, parts }: Selection): boolean {
  if (isHelper(file)) return false
  if (file.includes('/test/live/') !== live) return false
  if (/\/test\/live\/reboot\/(before|after)\//.exec(file)?.[1] !== reboot) return false
  return parts.length === 0 || parts.some((part) => file.includes(part))
}

/** Returns whether a file under `test/` only helps tests. */
export function isHelper(file: string): boolean {
  return /\/(support|fixtures)\//.test(file)
}

/** Returns whether a test takes minutes where a machine is emulated. It runs with `--full` only. */
export function isLongRun(file: string): boolean {
  return file.includes('/test/live/long/')
}

/**
 * What a test file does to its whole process, so that it cannot share one: hooks of tap's root, the process's own state and signals, children
 * that inherit its descriptors, collected garbage.
 */
const needsOwnProcess = [
  /^(await |void )?t\.(beforeEach|afterEach|before|after|plan|bailout|skip|comment|teardown)\(/m,
  // A helper that is given tap's root adds to what is tidied up at its end. tap ends its root then as soon as no test runs.
  /^(export )?(const|let|await) (?!.*(\bt\.test|\bstartPostgres)\().*[(,] ?t[,)]/m,
  /\bprocess\.(chdir|exit|kill|on|once|umask|sete?[ug]id)\(/,
  /\bprocess\.(env(\.\w+|\[[^\]]+\])|exitCode) = /,
  /\bgc\(\)|memoryUsage|getActiveResourcesInfo/,
  /\bstartPuppy|createPuppy|\bfork\(/,
]

/** Returns whether the text of a test file may run in a process that other test files use before and after it. */
export function canShare(text: string): boolean {
  return !needsOwnProcess.some((pattern) => pattern.test(text))
}

export interface TestFile {
  readonly path: string
  /** Whether it may share a process. */
  readonly shares: boolean
  /** Larger first: what a file will take, in any unit. */
  readonly weight: number
}

/**
 * Groups test files into the processes that run them. Pure.
 *
 * Files of one package share: they load the same modules. A file that cannot share is a group of its own. Groups are ordered by weight, the
 * heaviest first, so that the last ones are short.
 *
 * @param most how many files one process runs
 */
export function groupFiles(files: readonly TestFile[], most: number): readonly (readonly string[])[] {
  const alone = files.filter(({ shares }) => !shares).map(({ path, weight }) => ({ paths: [path], weight }))
  const shared = [...Map.groupBy(files.filter(({ shares }) => shares).values(), ({ path }) => packageOf(path)).values()]
  const together = shared.flatMap((ofPackage) => {
    const count = Math.ceil(ofPackage.length / most)
    // Dealt like cards: the heavy ones are spread over the processes.
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
