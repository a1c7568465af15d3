import { HostError } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { noBoolean } from './plan.ts'

const operation = 'commit the policy'

/** Whether semodule(8) failed because somebody else has the store. */
export function isLocked(said: string): boolean {
  return /Could not get direct (transaction|read) lock/.test(said)
}

/** What of a tool's words says why: the same is said of every user that is not there. */
export function reasonIn(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => !/in password file|Removing last .* module/.test(line))
  return lines.join('\n').trim().slice(-1000)
}

/** Whether a tool said that it failed and not why: libsemanage does not tell of every write that finds no room. */
export function isMute(said: string): boolean {
  return /^(?:\S*semodule: +Failed!|libsemanage: .*)?$/.test(said)
}

/**
 * Turns the failure of semodule(8), or of our script, into ours, and names the module that the policy does not take:
 *
 *     Failed to resolve allow statement at /var/lib/selinux/default/tmp/modules/400/some/cil:1
 *
 * @param ours the names of the modules that this transaction installs
 */
export function failureOf(cause: HostError, store: string, ours: readonly string[]): SelinuxError {
  if (cause.code === 'HOST_TIMEOUT') {
    const detail = 'it did not end in time and was ended; the store is valid'
    return new SelinuxError('SELINUX_TIMEOUT', { operation, target: store, detail, cause })
  }
  const said = reasonIn(cause.facts.stderr ?? '')
  const missing = /^no library: (.*)$/m.exec(said)?.[1]
  if (missing !== undefined) {
    const detail =
      'libsemanage cannot be used from Python; install the package policycoreutils-python-utils (Debian’s name)'
    return new SelinuxError('SELINUX_NOT_INSTALLED', { operation, detail, said: missing, cause })
  }
  const unknown = /^no boolean: (\w+)$/m.exec(said)?.[1]
  if (unknown !== undefined) return noBoolean(unknown)
  if (/No space left on device|Disk quota exceeded/.test(said)) {
    return new SelinuxError('SELINUX_NO_SPACE', {
      operation,
      target: store,
      detail: 'the disk became full',
      said,
      cause,
    })
  }
  const faults = [...said.matchAll(/\/modules\/(\d+)\/([^/\s]+)\/(?:cil|hll)(?::(\d+))?/g)]
  const fault = faults.find(([, , name = '']) => ours.includes(name)) ?? faults[0]
  if (fault === undefined) return new SelinuxError('SELINUX_REFUSED', { operation, target: store, said, cause })
  const [, priority, name = '', line] = fault
  const where = line === undefined ? '' : ` in line ${line}`
  const whose = ours.includes(name) ? 'the module' : `somebody else's module (priority ${priority})`
  const detail = `${whose} ${name} is not taken${where}`
  return new SelinuxError('SELINUX_REFUSED', { operation, target: store, value: name, detail, said, cause })
}
