import { createHost, HostError } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { defaultLayout, slotAt } from '../src/slots.ts'
import { readGroups, readShadow, readUsers } from '../src/users.ts'

const slots = [slotAt(defaultLayout, 0), slotAt(defaultLayout, 1)]

void t.test('readUsers() finds the user root without root permission', async (t) => {
  const slot = { ...slots[0]!, user: 'root', uid: 0 }
  const users = await readUsers(createHost(), [slot])
  t.strictSame(
    users.map(({ name, uid }) => ({ name, uid })),
    [
      { name: 'root', uid: 0 },
      { name: 'root', uid: 0 },
    ],
    'by its name and by its uid',
  )
})

void t.test('readUsers() passes many keys per run of getent', async (t) => {
  const host = createFakeHost({ programs: { '/usr/bin/getent': () => ({ exitCode: 2 }) } })
  await readUsers(
    host,
    Array.from({ length: 4097 }, () => slots[0]!),
  )
  t.strictSame(
    host.commands.map(({ length }) => length),
    [2 + 8192, 2 + 2],
  )
})

void t.test('readGroups() reads the file below a root, and also the shared group on a machine', async (t) => {
  const root = t.testdir({ etc: { group: 'g:x:7:a\n' } })
  t.strictSame(await readGroups(createHost({ root }), defaultLayout, slots), [{ name: 'g', gid: 7, members: ['a'] }])
  const host = createFakeHost({ programs: { '/usr/bin/getent': () => ({ stdout: 'puppy-tenants:x:9999:p10000\n' }) } })
  t.strictSame(await readGroups(host, defaultLayout, []), [{ name: 'puppy-tenants', gid: 9999, members: ['p10000'] }])
  t.strictSame(host.commands, [['/usr/bin/getent', 'group', 'puppy-tenants', '9999']])
})

void t.test('readShadow() returns undefined without permission, and throws for another failure', async (t) => {
  const failing = (errno: string) => ({
    ...createFakeHost(),
    read: () => Promise.reject(new HostError('HOST_READ_FAILED', { operation: 'read', errno })),
  })
  t.equal(await readShadow(failing('EACCES')), undefined)
  await t.rejects(readShadow(failing('EIO')), { code: 'HOST_READ_FAILED' })
  t.strictSame(await readShadow(createFakeHost({ files: { '/etc/shadow': 'a:!*:1::::::\n' } })), [
    { name: 'a', locked: true },
  ])
})
