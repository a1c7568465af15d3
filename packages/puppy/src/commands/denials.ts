import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import { followDenials, readDenials, SelinuxError, type Dontaudit } from '@puppy/selinux'
import { groupDenials, suggest, type Denial, type DenialGroup } from '@puppy/selinux/denials'
import { pairNumber, parseLevel } from '@puppy/selinux/level'
import { openTenantPolicy, transactionTimes } from '@puppy/agent'
import { printable } from '@puppy/host'
import type { Config } from '../config.ts'
import { StartError } from '@puppy/state'
import { parseOptions } from '../options.ts'
import { layoutOf, openHosts } from '../wiring.ts'
import { say } from '../say.ts'

/**
 * Runs `puppy denials`: prints what SELinux denied to which tenant, how often, and what it means. `--follow` continues with new denials.
 * `--hidden logged` makes the policy log denials that it normally hides, and `--hidden silent` hides them again. Each of the two is a
 * transaction of the policy.
 */
export async function denials(config: Config, args: readonly string[]): Promise<void> {
  const { follow, hidden } = optionsIn(args)
  const { machine, host } = openHosts(config)
  if (!config.live)
    throw new StartError(
      'Cannot read denials: the kernel of a real machine reports them, and this host is only a folder (PUPPY_ROOT)',
    )
  const layout = await layoutOf(config, machine)
  if (hidden !== undefined) {
    const policy = openTenantPolicy(host, layout)
    const { changed, results } = await policy.ensure({ dontaudit: hidden }, transactionTimes)
    for (const { error } of results) if (error !== undefined) throw error
    const undo = hidden === 'logged' ? '; to turn it off, run "npm run puppy -- denials --hidden silent"' : ''
    const state = hidden === 'logged' ? 'on' : 'off'
    say(`Logging of hidden denials is ${changed ? 'now' : 'already'} ${state}${undo}`)
    return
  }
  const show = (found: readonly Denial[]) => {
    for (const group of groupDenials(found)) say(lineOf(group, layout))
  }
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  // Follow before reading: no denial is lost between the two, and a denial at that moment may be printed twice.
  const stream = follow ? await followDenials(host, { signal: end.signal }) : undefined
  show(await readDenials(host))
  if (stream !== undefined) for await (const denial of stream) show([denial])
}

/**
 * Renders one line: tenant, count, meaning and program, time of the last denial. Makes the names of programs and files printable, because
 * tenants choose them. Pure.
 */
export function lineOf(group: DenialGroup, layout: SlotLayout): string {
  const { count, last, example, level } = group
  const object = example.object === undefined ? {} : { object: printable(example.object) }
  const { message, cil } = suggest({ ...group, example: { ...example, ...object } })
  const times = count === 1 ? 'once' : `${count} times`
  const by = example.command === undefined ? '' : ` (program: ${printable(example.command)})`
  const written = example.enforced ? '' : ' (not denied: SELinux was permissive)'
  const would = cil === undefined ? '' : `; the rule ${cil.trim()} would allow it to every tenant`
  const who = userAt(level, layout) ?? level
  return `${who}\t${times}\t${message}${by}${would}${written}\t${new Date(last).toISOString()}`
}

/** Returns the user of the slot that has a level. Undefined for a level of no slot. */
function userAt(level: string, layout: SlotLayout): string | undefined {
  try {
    const n = pairNumber(parseLevel(level))
    return n === undefined || n >= slotCount(layout) ? undefined : slotAt(layout, n).user
  } catch (error) {
    if (error instanceof SelinuxError) return undefined
    throw error
  }
}

function optionsIn(args: readonly string[]): { readonly follow: boolean; readonly hidden: Dontaudit | undefined } {
  const options = { follow: { type: 'boolean', default: false }, hidden: { type: 'string' } } as const
  const { follow, hidden } = parseOptions(args, options)
  if (hidden === undefined || hidden === 'logged' || hidden === 'silent') return { follow, hidden }
  throw new StartError(`--hidden ${hidden} is invalid; expected logged or silent`)
}
