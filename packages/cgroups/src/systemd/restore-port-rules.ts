import { mapLimit } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { slicePath } from '../unit.ts'
import { until } from '../wait.ts'
import { hasPortRules } from './drop-in.ts'
import { reapply, type Machine } from './enforce.ts'
import { dropInPath, type SlicesOptions } from './paths.ts'
import { areComplete, busyNeighbours, readPortRuleLinks } from './port-rules.ts'

/** Milliseconds in which systemd comes to the neighbours of a slice that it was asked about. */
const patience = 2000

/**
 * Attaches port rules again that systemd 257 detaches whenever it reads its units: of all slices in use beside these that have a
 * drop-in of ours. systemd attaches them when something else happens to one of these slices, and setting a property is such a thing.
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
    const facts = { operation: 'see port rules attached' }
    await until(async () => (await missing()).length === 0, facts, { timeout: patience })
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    // Those that systemd did not come to by itself. What is missing afterwards is reported in the results.
    await mapLimit(await missing(), 4, ({ slice, text }) => reapply(machine, slice, text))
  }
}
