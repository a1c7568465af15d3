import { CgroupError } from '../errors.ts'
import { slicePath } from '../unit.ts'
import { until } from '../wait.ts'
import { hasPortRules } from './drop-in.ts'
import { forEach } from './each.ts'
import { dropInPath, type SliceOptions } from './observe.ts'
import { reapply, type Machine } from './enforce.ts'
import { busyNeighbours, readPortRuleLinks, stands } from './port-rules.ts'

/** Milliseconds in which systemd comes to the neighbours of a slice that it was asked about. */
const patience = 2000

/**
 * Puts walls back that systemd 257 lets go of whenever it reads its units anew: of all slices in use beside these that have a
 * drop-in of ours. It does so by itself when something else happens to one of them; asking it about one is such a thing.
 */
export async function restorePortRules(
  machine: Machine,
  slices: readonly string[],
  options: SliceOptions,
): Promise<void> {
  const { host, cgroupfs } = machine
  const texts = await forEach(busyNeighbours(cgroupfs, slices), 32, async (slice) => {
    const text = await host.read(dropInPath(slice, options))
    return text === undefined || !hasPortRules(text) ? [] : [{ slice, text }]
  })
  const walled = texts.flat()
  if (walled.length === 0) return
  const missing = async () => {
    const walls = await readPortRuleLinks(host)
    return walled.filter(({ slice }) => {
      const id = cgroupfs.id(slicePath(slice))
      return walls !== undefined && id !== undefined && !stands(walls.get(id) ?? [])
    })
  }
  const [first] = await missing()
  if (first === undefined) return
  await reapply(machine, first.slice, first.text)
  try {
    const facts = { operation: 'see walls stand' }
    await until(async () => (await missing()).length === 0, facts, { timeout: patience })
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    // Those that systemd did not come to by itself; what does not stand afterwards is told by whoever looks.
    await forEach(await missing(), 4, ({ slice, text }) => reapply(machine, slice, text))
  }
}
