import { CgroupError } from '../errors.ts'
import { slicePath } from '../unit.ts'
import { until } from '../wait.ts'
import { hasWalls } from './drop-in.ts'
import { forEach } from './each.ts'
import { dropInPath, type SliceOptions } from './observe.ts'
import { realize, type Machine } from './settle.ts'
import { busyNeighbours, readWalls, stands } from './walls.ts'

/** Milliseconds in which systemd comes to the neighbours of a slice that it was asked about. */
const patience = 2000

/**
 * Puts walls back that systemd 257 lets go of whenever it reads its units anew: of all slices in use beside these that have a
 * drop-in of ours. It does so by itself when something else happens to one of them; asking it about one is such a thing.
 */
export async function restoreWalls(machine: Machine, slices: readonly string[], options: SliceOptions): Promise<void> {
  const { host, kernel } = machine
  const texts = await forEach(busyNeighbours(kernel, slices), 32, async (slice) => {
    const text = await host.read(dropInPath(slice, options))
    return text === undefined || !hasWalls(text) ? [] : [{ slice, text }]
  })
  const walled = texts.flat()
  if (walled.length === 0) return
  const missing = async () => {
    const walls = await readWalls(host)
    return walled.filter(({ slice }) => {
      const id = kernel.id(slicePath(slice))
      return walls !== undefined && id !== undefined && !stands(walls.get(id) ?? [])
    })
  }
  const [first] = await missing()
  if (first === undefined) return
  await realize(machine, first.slice, first.text)
  try {
    const facts = { operation: 'see walls stand' }
    await until(async () => (await missing()).length === 0, facts, { timeout: patience })
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    // Those that systemd did not come to by itself; what does not stand afterwards is told by whoever looks.
    await forEach(await missing(), 4, ({ slice, text }) => realize(machine, slice, text))
  }
}
