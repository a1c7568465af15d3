import { readPolicyContexts, setContext, type Host } from '@puppy/host'

/** Files that nft reads. */
export interface NftFiles {
  /** Writes a file that only root can read (mode 0600). Returns the path under which nft opens it. */
  write(name: string, text: string): Promise<string>
  remove(name: string): Promise<void>
}

/** A file of iptables. nft may read files with its context. */
const model = '/run/xtables.lock'

/**
 * Opens a folder for these files. The first `write` creates it with mode 0700.
 *
 * An SELinux policy that confines nft denies it access to files in `/run` and `/var/lib`. On Debian, an nft that systemd starts runs as
 * `iptables_t`. Therefore each file gets the context that the policy assigns to a file of iptables.
 */
export function openFiles(host: Host, folder: string): NftFiles {
  let contexts: Promise<readonly (string | undefined)[]> | undefined
  return Object.freeze<NftFiles>({
    write: async (name, text) => {
      const path = `${folder}/${name}`
      if ((await host.status(folder)) === undefined) await host.makeFolder(folder, { mode: 0o700 })
      await host.replace(path, text, { mode: 0o600 })
      contexts ??= readPolicyContexts(host, [model])
      const [context] = await contexts
      if (context !== undefined) await setContext(host, context, [path])
      return host.path(path)
    },
    remove: async (name) => {
      await host.remove(`${folder}/${name}`)
    },
  })
}
