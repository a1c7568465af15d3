import { findTool, runInOurDomain, runOptions, type EffectOptions, type Host } from '@puppy/host'
import { readListeners, type Listener } from '@puppy/host/proc'

/** Ports that `/etc/services` or the SELinux policy reserves, first and last inclusive. */
export interface ReservedPorts {
  readonly first: number
  readonly last: number
  /** The service of `/etc/services`, or the SELinux type. */
  readonly owner: string
}

/** What the ports of a slot may conflict with. */
export interface PortReservations {
  readonly services: readonly ReservedPorts[]
  readonly labels: readonly ReservedPorts[]
  readonly listeners: readonly Listener[]
  /** What could not be read, and why. */
  readonly notes: readonly string[]
}

export interface ReserveOptions extends EffectOptions {
  /** The prefix of our own SELinux port types, which reserve nothing. Default `puppy`. */
  readonly ownTypes?: string
  /** The labels of an earlier reading, to spare the second that the policy takes. */
  readonly known?: Pick<PortReservations, 'labels' | 'notes'>
}

/** No port is reserved or in use: for planning without a machine, and for slots whose tenant may listen. */
export const noReservations: PortReservations = Object.freeze({ services: [], labels: [], listeners: [], notes: [] })

/** Types that mean "no particular service", which the policy gives to whole ranges. */
const generic = /^(unreserved|ephemeral|hi_reserved|reserved)_port_t$/

/**
 * Reads what TCP ports are reserved or used for: `/etc/services`, SELinux port types (`semanage port -l`, which takes a second; only where
 * a policy is installed), and the listeners of now.
 *
 * @throws HostError `HOST_READ_FAILED`, `HOST_TIMEOUT`, `HOST_ABORTED`. When `semanage` fails, that is a note and not an error.
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
  const semanage = findTool(machine, 'semanage')
  if (semanage === undefined) return { text: '', note: 'SELinux port types are unknown: semanage is not installed' }
  const list = [semanage, 'port', '-l'] as const
  const run = await runInOurDomain(machine, list, runOptions('nothing', options, { accept: [0, 1] }))
  // Every policy has ports: an empty answer means that semanage could not read it.
  if (run.exitCode === 0 && run.stdout.trim() !== '') return { text: run.stdout }
  const said = run.stderr.trim().slice(-500)
  return { text: '', note: `SELinux port types are unknown: ${said === '' ? 'semanage printed nothing' : said}` }
}

/** Parses the TCP ports of services(5): `nbd 10809/tcp # Linux Network Block Device`. Pure. */
export function parseServices(text: string): readonly ReservedPorts[] {
  return text.split('\n').flatMap((line) => {
    const [, owner, digits] = /^([^\s#]+)\s+(\d{1,5})\/tcp(?:[\s#]|$)/.exec(line) ?? []
    const port = Number(digits)
    return owner === undefined || port < 1 || port > 65_535 ? [] : [{ first: port, last: port, owner }]
  })
}

/** Parses the TCP rows of `semanage port -l`: `memcache_port_t   tcp   11211` or `x_port_t  tcp  6001-6010, 6100`. Pure. */
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
