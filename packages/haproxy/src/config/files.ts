import { isUnfinished, type Host } from '@puppy/host'
import type { LocationContext } from '../context.ts'
import type { Bundle } from './bundle.ts'

/**
 * Installs a bundle: first the crt-list and the script, then the configuration, whose description depends on both.
 *
 * If the process is killed in between, the old configuration still differs from the spec, so the next call continues.
 *
 * @throws HostError `HOST_WRITE_FAILED`
 */
export async function installBundle({ host, files }: LocationContext, bundle: Bundle): Promise<void> {
  await put(host, files.crtList, bundle.crtList)
  await put(host, files.script, bundle.script)
  await host.replace(files.config, bundle.config, { mode: 0o600 })
}

/** Writes the copy of a bundle that a worker runs with. Does not write a file that has the same text already. */
export async function keepGood({ host, files }: LocationContext, bundle: Bundle): Promise<void> {
  await put(host, files.goodCrtList, bundle.crtList)
  await put(host, files.goodScript, bundle.script)
  await host.replace(files.goodConfig, bundle.config, { mode: 0o600 })
}

async function put(host: Host, path: string, text: string | undefined): Promise<void> {
  if (text === undefined) await host.remove(path)
  else await host.replace(path, text, { mode: 0o600 })
}

/** Deletes every file of this package in both folders, and each folder if it is then empty. */
export async function removeFiles({ host, settings, files }: LocationContext): Promise<void> {
  const { config, lock, hosts, suspended, crtList, script, socket, peers, pid } = files
  const good = [files.goodConfig, files.goodCrtList, files.goodScript]
  for (const file of [config, lock, hosts, suspended, crtList, script, ...good, socket, peers, pid]) {
    await host.remove(file)
  }
  for (const folder of [settings.folder, files.peersFolder, settings.runFolder]) {
    const names = await host.list(folder)
    const leftovers = names.filter((name) => isUnfinished(name))
    for (const name of leftovers) await host.remove(`${folder}/${name}`)
    if (names.length === leftovers.length) await host.remove(folder)
  }
}
