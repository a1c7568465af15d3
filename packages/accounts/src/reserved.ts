import { inOurDomain, type Host } from '@puppy/host'
import type { EffectOptions } from './change.ts'
import { readListeners, type Listener } from './listeners.ts'
import { runOptions } from './program.ts'

/** Ports that a name or a policy gives to somebody, first and last inclusive. */
export interface ReservedPorts {
  readonly first: number
  readonly last: number
  /** The service of `/etc/services`, or the SELinux type. */
  readonly owner: string
}

/** Everything that can stand in the way of a slot's ports. */
export interface PortReservations {
  readonly services: readonly ReservedPorts[]
  readonly labels: readonly ReservedPorts[]
  readonly listeners: readonly Listener[]
  /** What could not be read, and why. */
  readonly notes: readonly string[]
}

export interface ReserveOptions extends EffectOptions {
  /** SELinux port types that begin like this are our own, and reserve nothing. Default `puppy`. */
  readonly ownTypes?: string
  /** The labels of an earlier answer, instead of asking the policy again. */
  readonly known?: Pick<PortReservations, 'labels' | 'notes'>
}

/** Nothing stands in the way; for planning without a machine. */
export const noReservations: PortReservations = Object.freeze({ services: [], labels: [], listeners: [], notes: [] })

/** Types that say "no particular service", which the policy gives to whole ranges. */
const generic = /^(unreserved|ephemeral|hi_reserved|reserved)_port_t$/

/**
 * Reads what the machine has in store for TCP ports: `/etc/services`, SELinux port types (`semanage port -l`, which
 * takes a second; only where a policy is installed), and who listens now.
 *
 * @throws HostError `HOST_READ_FAILED`, `HOST_TIMEOUT`, `HOST_ABORTED`. A `semanage` that fails is a note, no error.
 */
export async function readReserved(machine: Host, options: ReserveOptions = {}): Promise<PortReservations> {
  const [services, labels, listeners] = await Promise.all([
    machine.read('/etc/services'),
    options.known ?? labelsOf(machine, options),
    readListeners(machine),
  ])
  return { services: parseServices(services ?? ''), labels: labels.labels, listeners, notes: labels.notes }
}

async function labelsOf(machine: Host, options: ReserveOptions): Promise<Pick<PortReservations, 'labels' | 'notes'>> {
  const own = options.ownTypes ?? 'puppy'
  const { text, note } = await readLabels(machine, options)
  return {
    labels: parsePortLabels(text).filter(({ owner }) => !owner.startsWith(own) && !generic.test(owner)),
    notes: note === undefined ? [] : [note],
  }
}

async function readLabels(machine: Host, options: EffectOptions): Promise<{ text: string; note?: string }> {
  if ((await machine.status('/etc/selinux/config')) === undefined) return { text: '' }
  const semanage = machine.program('semanage')
  if (semanage === undefined) return { text: '', note: 'SELinux port types are unknown: semanage is not installed' }
  const command = await inOurDomain(machine, [semanage, 'port', '-l'])
  const run = await machine.run(command, runOptions('nothing', options, { accept: [0, 1] }))
  // No policy is without ports: nothing at all means that we were not told.
  if (run.exitCode === 0 && run.stdout.trim() !== '') return { text: run.stdout }
  const said = run.stderr.trim().slice(-500)
  return { text: '', note: `SELinux port types are unknown: ${said === '' ? 'semanage said nothing' : said}` }
}

/** Reads the TCP ports of services(5): `nbd 10809/tcp # Linux Network Block Device`. */
export function parseServices(text: string): readonly ReservedPorts[] {
  return text.split('\n').flatMap((line) => {
    const [, owner, digits] = /^([^\s#]+)\s+(\d{1,5})\/tcp(?:[\s#]|$)/.exec(line) ?? []
    const port = Number(digits)
    return owner === undefined || port < 1 || port > 65_535 ? [] : [{ first: port, last: port, owner }]
  })
}

/** Reads the TCP rows of `semanage port -l`: `memcache_port_t   tcp   11211` or `x_port_t  tcp  6001-6010, 6100`. */
export function parsePortLabels(text: string): readonly ReservedPorts[] {
  return text.split('\n').flatMap((line) => {
    const [, owner, list] = /^(\S+)\s+tcp\s+([\d, -]+)$/.exec(line) ?? []
    if (owner === undefined || list === undefined) return []
    return list.split(',').flatMap((word) => {
      const [first, last = first] = word.trim().split('-').map(Number)
      return first === undefined || !(first > 0) || !(last! >= first) || last! > 65_535
        ? []
        : [{ first, last: last!, owner }]
    })
  })
}
