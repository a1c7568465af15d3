import { installStep, type HostError } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { noBoolean } from './booleans.ts'

const operation = 'commit the policy'

/** Returns whether semodule(8) failed because another process holds the store. */
export function isLocked(said: string): boolean {
  return /Could not get direct (transaction|read) lock/.test(said)
}

/**
 * Returns the lines of a tool's output that state the reason of a failure. libsemanage repeats one line for every user that does not
 * exist.
 */
export function reasonIn(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => !isRepeated(line))
  return lines.join('\n').trim().slice(-1000)
}

/** Returns whether libsemanage prints a line once for every user that does not exist. */
function isRepeated(line: string): boolean {
  const removing = line.indexOf('Removing last ')
  return line.includes('in password file') || (removing >= 0 && line.includes(' module', removing))
}

/** Returns whether a tool failed without a reason. libsemanage does not report every write that fails because the disk is full. */
export function isMute(said: string): boolean {
  return /^(?:\S*semodule: +Failed!|libsemanage: .*)?$/.test(said)
}

/**
 * Returns the error for a failure of semodule(8) or of the script. `facts.value` is the module that the policy refuses:
 *
 *     Failed to resolve allow statement at /var/lib/selinux/default/tmp/modules/400/some/cil:1
 *
 * @param ours the names of the modules that this transaction installs
 */
export function failureOf(cause: HostError, store: string, ours: readonly string[]): SelinuxError {
  if (cause.code === 'HOST_TIMEOUT') {
    const detail =
      'the transaction did not end in time and was stopped; the store is valid, and a new reading shows whether the changes were made'
    return new SelinuxError('SELINUX_TIMEOUT', { operation, target: store, detail, cause })
  }
  const said = reasonIn(cause.facts.stderr ?? '')
  const missing = /(?:^|\n)no library: ([^\n]*)/.exec(said)?.[1]
  if (missing !== undefined) {
    const detail = 'libsemanage cannot be used from Python'
    const steps = [installStep('semanage')]
    return new SelinuxError('SELINUX_NOT_INSTALLED', { operation, detail, said: missing, steps, cause })
  }
  const unknown = /(?:^|\n)no boolean: (\w+)(?:\n|$)/.exec(said)?.[1]
  if (unknown !== undefined) return noBoolean(unknown)
  if (/No space left on device|Disk quota exceeded/.test(said)) {
    return new SelinuxError('SELINUX_NO_SPACE', {
      operation,
      target: store,
      detail: 'the disk became full; free some space, then try again',
      said,
      cause,
    })
  }
  const faults = [...said.matchAll(/\/modules\/(\d+)\/([^/\s]+)\/(?:cil|hll)(?::(\d+))?/g)]
  const fault = faults.find(([, , name = '']) => ours.includes(name)) ?? faults[0]
  if (fault === undefined) return new SelinuxError('SELINUX_REFUSED', { operation, target: store, said, cause })
  const [, priority, name = '', line] = fault
  const where = line === undefined ? '' : ` in line ${line}`
  const whose = ours.includes(name) ? 'the module' : `another program’s module (priority ${priority})`
  const help = ours.includes(name) ? '' : '; repair or remove that module'
  const detail = `${whose} ${name} was refused${where}${help}`
  return new SelinuxError('SELINUX_REFUSED', { operation, target: store, value: name, detail, said, cause })
}
