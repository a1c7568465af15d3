import type { HostError } from './errors.ts'
import type { ReplaceOptions } from './status.ts'

/** One file of `replaceMany`. */
export interface FileText extends ReplaceOptions {
  readonly path: string
  readonly text: string
  /** Makes its folder and those above, as plain 0755 ones, where they do not exist. Default false: the folder must exist. */
  readonly makeFolder?: boolean
}

/** What became of one file of `replaceMany`. */
export interface Replaced {
  readonly path: string
  readonly changed: boolean
  /** Why it was not written: `HOST_WRITE_FAILED`, `HOST_PATH_OUTSIDE_ROOT`. The old file is there then. */
  readonly error?: HostError
}

/** Asserts that no path is given twice, because it is not decided which text wins. @throws TypeError */
export function assertOnce(files: readonly FileText[]): void {
  const seen = new Set<string>()
  for (const { path } of files) {
    if (seen.has(path)) throw new TypeError(`A file is given once, not twice: ${JSON.stringify(path)}`)
    seen.add(path)
  }
}
