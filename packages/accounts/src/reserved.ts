import { findTool, installStep, runInOurDomain, runOptions, type EffectOptions, type Host } from '@puppy/host'
import { readListeners, type Listener } from '@puppy/host/proc'

/** Ports that `/etc/services` or the SELinux policy reserves. First and last port are inclusive. */
export interface ReservedPorts {
  readonly first: number
  readonly last: number
  /** The service name of `/etc/services`, or the SELinux type. */
  readonly owner: string
}

/** The services, SELinux types and listeners that can conflict with the ports of a slot. */
export interface PortReservations {
  readonly services: readonly ReservedPorts[]
  readonly labels: readonly ReservedPorts[]
  readonly listeners: readonly Listener[]
  /** One sentence for everything that could not be read, with the reason. */
  readonly notes: readonly string[]
}

export interface ReserveOptions extends EffectOptions {
  /** The prefix of SELinux port types that belong to Puppy and reserve nothing. Default `puppy`. */
  readonly ownTypes?: string
  /** Port types of an earlier reading. They save the second that reading the policy takes. */
  readonly known?: Pick<PortReservations, 'labels' | 'notes'>
}

/** No reserved ports and no listeners: for planning without a machine, and for slots whose tenant may listen. */
export const noReservations: PortReservations = Object.freeze({ services: [], labels: [], listeners: [], notes: [] })

/** Types without a particular service. The policy assigns them to whole ranges. */
const generic = /^(unreserved|ephemeral|hi_reserved|reserved)_port_t$/

/**
 * Reads which TCP ports are reserved or in use: `/etc/services`, SELinux port types (`semanage port -l`, which takes a second; only if a
 * policy is installed), and current listeners.
 *
 * @throws HostError `HOST_READ_FAILED`, `HOST_TIMEOUT`, `HOST_ABORTED`. A failure of `semanage` is a note and not an error.
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
  if (semanage === undefined) {
    const note = `SELinux port types are unknown: semanage is not installed; run ${installStep('semanage')}`
    return { text: '', note }
  }
  const list = [semanage, 'port', '-l'] as const
  const run = await runInOurDomain(machine, list, runOptions('nothing', options, { accept: [0, 1] }))
  // Every policy has port types: empty output means that semanage could not read the policy.
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
    const [owner, protocol, ...words] = line.trim().split(/\s+/)
    const list = words.join('')
    if (owner === undefined || protocol !== 'tcp' || !/^[\d,-]+$/.test(list)) return []
    return list.split(',').flatMap((word) => {
      const [first, last = first] = word.split('-').map(Number)
      return first === undefined || !(first > 0) || !(last! >= first) || last! > 65_535
        ? []
        : [{ first, last: last!, owner }]
    })
  })
}
