import { SelinuxError } from '../errors.ts'
import { isType } from '../state.ts'

/** The paths of the modules of a policy, and of the files that are built from them. */
export interface StorePaths {
  /** `/var/lib/selinux/<type>` */
  readonly store: string
  readonly active: string
  /** A transaction moves `active` to this path before it moves the new store to `active`. */
  readonly previous: string
  /** The lock that a process holds while it runs a transaction. */
  readonly lock: string
  /** `/etc/selinux/<type>`, the files that the machine reads. */
  readonly policy: string
}

/** Returns the paths of the store of a policy. @throws SelinuxError `SELINUX_INVALID` for an invalid name. */
export function storePaths(type: string): StorePaths {
  if (!isType(type)) {
    const detail = 'the text is not a valid name of a policy'
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

/** Returns the folder of the modules with priority 400, the priority of this library, below `active` or `previous`. */
export function modulesFolder(folder: string): string {
  return `${folder}/modules/400`
}

/** Returns the folder with the names of disabled modules, below `active` or `previous`. */
export function disabledFolder(folder: string): string {
  return `${folder}/modules/disabled`
}
