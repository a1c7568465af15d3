import { SelinuxError } from '../errors.ts'
import { isType } from '../state.ts'

/** Where a policy's modules are, and what is built from them. */
export interface StorePaths {
  /** `/var/lib/selinux/<type>` */
  readonly store: string
  readonly active: string
  /** Where a transaction moves `active` before it moves the new one there. */
  readonly previous: string
  /** Held by the process that runs a transaction. */
  readonly lock: string
  /** `/etc/selinux/<type>`, which the machine reads. */
  readonly policy: string
}

/** Returns the paths of a policy's store. @throws SelinuxError `SELINUX_INVALID` for a name that is not that of a policy. */
export function storePaths(type: string): StorePaths {
  if (!isType(type)) {
    const detail = 'it is not the name of a policy'
    throw new SelinuxError('SELINUX_INVALID', { operation: 'open the store', target: type, detail })
  }
  const store = `/var/lib/selinux/${type}`
  return {
    store,
    active: `${store}/active`,
    previous: `${store}/previous`,
    lock: `${store}/semanage.trans.LOCK`,
    policy: `/etc/selinux/${type}`,
  }
}

/** Returns where modules of priority 400, which ours have, are below `active` or `previous`. */
export function modulesFolder(folder: string): string {
  return `${folder}/modules/400`
}

/** Returns where the names of modules are that are switched off, below `active` or `previous`. */
export function disabledFolder(folder: string): string {
  return `${folder}/modules/disabled`
}
