import type { HostError } from './errors.ts'
import type { ReplaceOptions } from './status.ts'

/** One file of `replaceMany`. */
export interface FileText extends ReplaceOptions {
  readonly path: string
  readonly text: string
  /** Creates missing parent folders with mode 0755. Default false: the folder must exist. */
  readonly makeFolder?: boolean
}

/** The result of `replaceMany` for one file. */
export interface Replaced {
  readonly path: string
  readonly changed: boolean
  /** Why the file was not written: `HOST_WRITE_FAILED`, `HOST_PATH_OUTSIDE_ROOT`. The old file is then unchanged. */
  readonly error?: HostError
}

/** Checks that no path is listed twice, because then it is undefined which text is written. @throws TypeError */
export function assertOnce(files: readonly FileText[]): void {
  const seen = new Set<string>()
  for (const { path } of files) {
    if (seen.has(path)) throw new TypeError(`Each file must be listed only once: ${JSON.stringify(path)}`)
    seen.add(path)
  }
}
