import { mapLimit } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { slicePath } from '../unit.ts'
import { until } from '../wait.ts'
import { hasPortRules } from './drop-in.ts'
import { reapply, type Machine } from './enforce.ts'
import { dropInPath, type SlicesOptions } from './paths.ts'
import { areComplete, busyNeighbours, readPortRuleLinks } from './port-rules.ts'

/** Milliseconds to wait until systemd has attached the port rules of the sibling slices. */
const patience = 2000

/**
 * Attaches port rules that systemd detached. systemd 257 detaches the port rules of all slices whenever it reloads its units. It attaches
 * them again when another event happens to one of the sibling slices, and setting a property is such an event. Covers all slices in use
 * that have the same parent as these slices and a drop-in of ours.
 */
export async function restorePortRules(
  machine: Machine,
  slices: readonly string[],
  options: SlicesOptions,
): Promise<void> {
  const { host, cgroupfs } = machine
  const texts = await mapLimit(busyNeighbours(cgroupfs, slices), 32, async (slice) => {
    const text = await host.read(dropInPath(slice, options))
    return text === undefined || !hasPortRules(text) ? [] : [{ slice, text }]
  })
  const ruled = texts.flat()
  if (ruled.length === 0) return
  const missing = async () => {
    const links = await readPortRuleLinks(host)
    return ruled.filter(({ slice }) => {
      const id = cgroupfs.id(slicePath(slice))
      return links !== undefined && id !== undefined && !areComplete(links.get(id) ?? [])
    })
  }
  const [first] = await missing()
  if (first === undefined) return
  await reapply(machine, first.slice, first.text)
  try {
    const facts = { operation: 'wait for port rules' }
    await until(async () => (await missing()).length === 0, facts, { timeout: patience })
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    // The slices whose rules systemd did not attach by itself. Rules that are still missing afterwards are reported in the results.
    await mapLimit(await missing(), 4, ({ slice, text }) => reapply(machine, slice, text))
  }
}
