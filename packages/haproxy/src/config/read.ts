import { networkInterfaces } from 'node:os'
import type { EffectOptions } from '@puppy/host'
import type { ProxyContext } from '../context.ts'
import { readStartCommand } from '../lifecycle/start.ts'
import { awaitWorker, locateMaster } from '../lifecycle/worker.ts'
import { readMapTexts } from '../routes/read.ts'
import { readBundle, readGood } from './bundle.ts'
import { parseCrtList, readCertificates } from './certificates.ts'
import type { ObservedConfig, ObservedProcess } from './plan.ts'

/** Reads the installed files, the certificates of the spec and the process. @throws HaproxyError as `Runtime.send` */
export async function readConfig(context: ProxyContext, options: EffectOptions = {}): Promise<ObservedConfig> {
  const { host, settings, real } = context
  const [installed, good, maps, process] = await Promise.all([
    readBundle(context),
    readGood(context),
    readMapTexts(context),
    readProcess(context, options),
  ])
  const known = parseCrtList(installed?.crtList ?? '')
  const certificates = await readCertificates(host, settings.tls?.certificates ?? [], known)
  const startCommand = process === undefined ? await readStartCommand(context) : undefined
  const { folder, runFolder, service } = real.settings
  return {
    location: { folder, runFolder, ...(service === undefined ? {} : { service }) },
    ipv6: hasIpv6(),
    certificates,
    maps,
    ...(installed === undefined ? {} : { installed }),
    ...(good === undefined ? {} : { good }),
    ...(process === undefined ? {} : { process }),
    ...(startCommand === undefined ? {} : { startCommand }),
  }
}

async function readProcess(context: ProxyContext, options: EffectOptions): Promise<ObservedProcess | undefined> {
  const master = await locateMaster(context)
  if (master === undefined) return undefined
  const worker = await awaitWorker(context, options)
  if (worker === undefined) return undefined
  return { ...master, ...(worker.description === undefined ? {} : { description: worker.description }) }
}

/** Returns whether any network interface has an IPv6 address, so that HAProxy can bind `::`. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ family }) => family === 'IPv6'))
}
