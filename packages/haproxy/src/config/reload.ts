import type { EffectOptions } from '@puppy/host'
import type { ProxyContext } from '../context.ts'
import { findSilent } from '../lifecycle/addresses.ts'
import { reload } from '../lifecycle/reload.ts'
import type { Bundle } from './bundle.ts'
import { installBundle } from './files.ts'
import type { ObservedConfig } from './plan.ts'
import { addressesMissing, configDescription } from './render.ts'

/**
 * Reloads HAProxy with the installed bundle. When that fails, installs the last good bundle again.
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
  if (description === undefined)
    throw new TypeError('Cannot reload HAProxy: the configuration has no description; use renderConfig()')
  const runsGood = good !== undefined && configDescription(good.config) === process?.description
  const added = runsGood ? addressesMissing(context.settings, good.config) : []
  try {
    await reload(context, description, { ...options, added })
  } catch (error) {
    if (good !== undefined) await restoreGood(context, good, options)
    throw error
  }
}

/** Ignores a failure of the repair: the caller needs the first failure, and a second one would hide it. */
async function restoreGood(context: ProxyContext, good: Bundle, options: EffectOptions): Promise<void> {
  await installBundle(context, good)
  await reviveListeners(context, good, options).catch(() => undefined)
}

/**
 * Reloads HAProxy with the installed configuration when a failed reload left its worker without a listener. Does nothing when every address
 * answers.
 */
async function reviveListeners(context: ProxyContext, good: Bundle, options: EffectOptions): Promise<void> {
  const added = new Set(addressesMissing(context.settings, good.config))
  const old = context.settings.listen.filter((address) => !added.has(address))
  const description = configDescription(good.config)
  if (description === undefined || (await findSilent(old)).length === 0) return
  await reload(context, description, options)
}
