import type { EffectOptions } from '@puppy/host'
import type { ProxyContext } from '../context.ts'
import { findSilent } from '../lifecycle/addresses.ts'
import { reload } from '../lifecycle/reload.ts'
import type { Bundle } from './bundle.ts'
import { installBundle } from './files.ts'
import type { ObservedConfig } from './plan.ts'
import { addressesMissing, configDescription } from './render.ts'

/**
 * Reloads HAProxy with the bundle that is installed. When that fails, the last good bundle is installed again.
 *
 * @throws HaproxyError as `reload`
 */
export async function reloadConfig(
  context: ProxyContext,
  bundle: Bundle,
  { good, process }: Pick<ObservedConfig, 'good' | 'process'>,
  options: EffectOptions = {},
): Promise<void> {
  const description = configDescription(bundle.config)
  if (description === undefined) throw new TypeError('A bundle without a description cannot be told from another')
  const runsGood = good !== undefined && configDescription(good.config) === process?.description
  const added = runsGood ? addressesMissing(context.settings, good.config) : []
  try {
    await reload(context, description, { ...options, added })
  } catch (error) {
    if (good !== undefined) await restoreGood(context, good, options)
    throw error
  }
}

/** The first failure is what the caller must know; a second one, of the repair, would hide it. */
async function restoreGood(context: ProxyContext, good: Bundle, options: EffectOptions): Promise<void> {
  await installBundle(context, good)
  await reviveListeners(context, good, options).catch(() => undefined)
}

/**
 * Replaces a worker that a failed reload left without a listener by one that listens, with the configuration that is
 * installed. Does nothing when every address answers.
 */
async function reviveListeners(context: ProxyContext, good: Bundle, options: EffectOptions): Promise<void> {
  const added = new Set(addressesMissing(context.settings, good.config))
  const old = context.settings.listen.filter((address) => !added.has(address))
  const description = configDescription(good.config)
  if (description === undefined || (await findSilent(old)).length === 0) return
  await reload(context, description, options)
}
