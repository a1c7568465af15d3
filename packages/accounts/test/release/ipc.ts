import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { ipcOf, parseIpc, readIpc, removeIpc } from '../../src/release/ipc.ts'

void t.test('parseIpc() finds columns by name', (t) => {
  const text = `       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
         0          3   600          1 10000 10000     0     0          0 1766000000
noise
`
  t.strictSame(parseIpc('sem', text), [{ kind: 'sem', id: 3, uid: 10_000, cuid: 0 }])
  t.strictSame(parseIpc('shm', text), [], 'another table')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (any) => Array.isArray(parseIpc('msg', any))))
  t.end()
})

void t.test('ipcOf() selects by owner and creator', (t) => {
  const objects = [
    { kind: 'shm', id: 1, uid: 5, cuid: 0 },
    { kind: 'msg', id: 2, uid: 0, cuid: 5 },
    { kind: 'sem', id: 3, uid: 6, cuid: 6 },
  ] as const
  t.strictSame(
    ipcOf(objects, new Set([5])).map(({ id }) => id),
    [1, 2],
  )
  t.end()
})

void t.test('removeIpc() removes all objects in one run, and runs nothing without objects', async (t) => {
  const host = createFakeHost({ programs: { '/usr/bin/ipcrm': () => ({}) } })
  await removeIpc(host, [])
  await removeIpc(host, [
    { kind: 'shm', id: 1, uid: 5, cuid: 5 },
    { kind: 'msg', id: 0, uid: 5, cuid: 5 },
  ])
  t.strictSame(host.commands, [['/usr/bin/ipcrm', '--shmem-id', '1', '--queue-id', '0']])
})

void t.test('readIpc() reads the tables of this kernel', async (t) => {
  const host = createHost()
  const count = async () => {
    const tables = await Promise.all(['shm', 'msg', 'sem'].map((name) => host.read(`/proc/sysvipc/${name}`)))
    return tables.reduce((sum, table) => sum + Math.max((table ?? '').split('\n').length - 2, 0), 0)
  }
  const before = await count()
  const objects = await readIpc(host)
  t.ok([before, await count()].includes(objects.length), `${objects.length} objects, one for each row`)
  t.ok(objects.every(({ id, uid, cuid }) => id >= 0 && uid >= 0 && cuid >= 0))
})
