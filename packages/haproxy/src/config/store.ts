import { isUnfinished } from '@puppy/host'
import type { ProxyContext } from '../context.ts'
import type { Bundle } from './bundle.ts'

/**
 * Installs a bundle: the crt-list first, then the configuration whose description speaks of it.
 *
 * Killed between the two, the configuration is still the old one and differs from what is wanted, so the next call
 * goes on.
 *
 * @throws HostError `HOST_WRITE_FAILED`
 */
export async function installBundle({ host, files }: ProxyContext, bundle: Bundle): Promise<void> {
  if (bundle.crtList === undefined) await host.remove(files.crtList)
  else await host.replace(files.crtList, bundle.crtList, { mode: 0o600 })
  await host.replace(files.config, bundle.config, { mode: 0o600 })
}

/** Keeps a copy of what is installed, after a worker has answered that it runs with it. Equal files stay untouched. */
export async function keepGood({ host, files }: ProxyContext, bundle: Bundle): Promise<void> {
  if (bundle.crtList === undefined) await host.remove(files.goodCrtList)
  else await host.replace(files.goodCrtList, bundle.crtList, { mode: 0o600 })
  await host.replace(files.goodConfig, bundle.config, { mode: 0o600 })
}

/** Reads the last bundle that a worker has run with. */
export async function readGood({ host, files }: ProxyContext): Promise<Bundle | undefined> {
  const [config, crtList] = await Promise.all([host.read(files.goodConfig), host.read(files.goodCrtList)])
  if (config === undefined) return undefined
  return { config, ...(crtList === undefined ? {} : { crtList }) }
}

/** Deletes every file of ours in both folders, and the folders when nothing else is in them. */
export async function removeFiles({ host, settings, files }: ProxyContext): Promise<void> {
  const { config, hosts, suspended, crtList, goodConfig, goodCrtList, socket, peers, pid } = files
  for (const file of [config, hosts, suspended, crtList, goodConfig, goodCrtList, socket, peers, pid]) {
    await host.remove(file)
  }
  for (const folder of [settings.folder, files.peersFolder, settings.runFolder]) {
    const names = await host.list(folder)
    const leftovers = names.filter((name) => isUnfinished(name))
    for (const name of leftovers) await host.remove(`${folder}/${name}`)
    if (names.length === leftovers.length) await host.remove(folder)
  }
}
