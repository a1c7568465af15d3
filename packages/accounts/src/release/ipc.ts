import { runOptions, type EffectOptions, type Host } from '@puppy/host'
import { findProgram } from '../program.ts'

/** A System V shared memory segment, semaphore set or message queue. */
export interface IpcObject {
  readonly kind: 'shm' | 'sem' | 'msg'
  readonly id: number
  /** The owner, and the user who created it. Both may use it. */
  readonly uid: number
  readonly cuid: number
}

const kinds = ['shm', 'sem', 'msg'] as const
const idColumns = { shm: 'shmid', sem: 'semid', msg: 'msqid' } as const
const removeOptions = { shm: '--shmem-id', sem: '--semaphore-id', msg: '--queue-id' } as const

/** Reads all System V objects of the IPC namespace of this process. @see sysvipc(7) */
export async function readIpc(machine: Host): Promise<readonly IpcObject[]> {
  const texts = await Promise.all(kinds.map((kind) => machine.read(`/proc/sysvipc/${kind}`)))
  return kinds.flatMap((kind, index) => parseIpc(kind, texts[index] ?? ''))
}

/**
 * Parses `/proc/sysvipc/{shm,sem,msg}`, a table whose first line names its columns. Pure.
 *
 * ```text
 *        key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
 *          0          3   600          1 10000 10000 10000 10000          0 1766000000
 * ```
 */
export function parseIpc(kind: IpcObject['kind'], text: string): readonly IpcObject[] {
  const [header = [], ...rows] = text.split('\n').map((line) => line.trim().split(/\s+/))
  const [id, uid, cuid] = [idColumns[kind], 'uid', 'cuid'].map((name) => header.indexOf(name))
  return rows.flatMap((row) => {
    const object = { kind, id: Number(row[id!]), uid: Number(row[uid!]), cuid: Number(row[cuid!]) }
    return [object.id, object.uid, object.cuid].every(Number.isSafeInteger) ? [object] : []
  })
}

/** Returns the objects that one of these uids owns or created. Pure. */
export function ipcOf(objects: readonly IpcObject[], uids: ReadonlySet<number>): readonly IpcObject[] {
  return objects.filter(({ uid, cuid }) => uids.has(uid) || uids.has(cuid))
}

/** Removes objects, all in one run of ipcrm(1). An object that was removed meanwhile is not a failure. The caller must read again. */
export async function removeIpc(
  machine: Host,
  objects: readonly IpcObject[],
  options: EffectOptions = {},
): Promise<void> {
  if (objects.length === 0) return
  const words = objects.flatMap(({ kind, id }) => [removeOptions[kind], `${id}`])
  await machine.run([findProgram(machine, 'ipcrm'), ...words], runOptions('machine', options, { accept: [0, 1] }))
}
