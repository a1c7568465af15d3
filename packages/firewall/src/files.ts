import type { Host } from '@puppy/host'

/** Files that nft reads. */
export interface NftFiles {
  /** Writes a file that only root can read, and returns its path for nft. */
  write(name: string, text: string): Promise<string>
  remove(name: string): Promise<void>
}

/**
 * Opens a folder for them, created with mode 0700.
 *
 * An SELinux policy that confines nft (started by systemd, Debian's runs as `iptables_t`) keeps it from files in `/run` and
 * `/var/lib`. So each file gets the context that the policy gives to a file of iptables there.
 */
export function openFiles(host: Host, folder: string): NftFiles {
  let context: Promise<string | undefined> | undefined
  return Object.freeze<NftFiles>({
    write: async (name, text) => {
      const path = `${folder}/${name}`
      if ((await host.status(folder)) === undefined) await host.makeFolder(folder, { mode: 0o700 })
      await host.replace(path, text, { mode: 0o600 })
      context ??= readContext(host)
      const [label, chcon] = [await context, host.program('chcon')]
      if (label !== undefined && chcon !== undefined) {
        await host.run([chcon, '--', label, host.path(path)], { touches: 'files' })
      }
      return host.path(path)
    },
    remove: async (name) => {
      await host.remove(`${folder}/${name}`)
    },
  })
}

/** Returns undefined without SELinux, and where the policy has no context for such files. */
async function readContext(host: Host): Promise<string | undefined> {
  const ask = host.program('matchpathcon')
  if (!host.live || ask === undefined || (await host.status('/sys/fs/selinux/enforce')) === undefined) return undefined
  const { stdout } = await host.run([ask, '-n', '/run/xtables.lock'], { touches: 'nothing' })
  return /^[^:\s<>]+:[^:\s<>]+:[^:\s<>]+(:\S+)?$/.exec(stdout.trim())?.[0]
}
