import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createHost, type Host } from '@puppy/host'

/** A host that is only a folder, for the conformance suite. */
export interface ScratchWorld {
  readonly host: Host
  /** Returns every entry below the folder with its metadata, content and time of change. */
  snapshot(): Promise<unknown>
  close(): Promise<void>
}

/** Creates a folder with these text files, by absolute path. */
export function createScratchWorld(files: Readonly<Record<string, string>> = {}): ScratchWorld {
  const root = mkdtempSync(join(tmpdir(), 'accounts-world-'))
  for (const [path, text] of Object.entries({ '/etc/skel/.profile': '# profile\n', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return {
    host: createHost({ root }),
    snapshot: async () => entriesOf(root),
    close: async () => rmSync(root, { recursive: true }),
  }
}

function entriesOf(folder: string): readonly object[] {
  return readdirSync(folder).flatMap((name): readonly object[] => {
    const path = join(folder, name)
    const { mode, uid, gid, ctimeNs } = lstatSync(path, { bigint: true })
    const entry = { path, mode, uid, gid, ctimeNs }
    const kind = lstatSync(path)
    if (kind.isDirectory()) return [entry, ...entriesOf(path)]
    return [{ ...entry, text: kind.isSymbolicLink() ? readlinkSync(path) : readFileSync(path, 'utf8') }]
  })
}
