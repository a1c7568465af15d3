/** Private temporary folders: the quota of the tenant counts them in every kind of session, and no other user has less space. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { findOpenPlaces, openQuota } from '../../../src/index.ts'
import { renderTemporary, temporaryPolicy } from '../../../src/temporary.ts'
import { cannotLimit, MiB, none } from '../../support/live.ts'
import { createUsers, tell, type User } from '../../support/users.ts'

t.setTimeout(1_200_000)

const host = createHost()
const lacking = ['sshd', 'crontab', 'pam-auth-update'].find((name) => host.program(name) === undefined)
const skip = cannotLimit || (lacking !== undefined && `${lacking} is not installed`)

const group = 'pql-tenants'
const below = '/home/.puppy-quota-live'

async function until(what: string, answer: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 150_000; !(await answer()); await sleep(1000))
    if (Date.now() > end) throw new Error(`waited 150 s for: ${what}`)
}

void t.test('the quota of a tenant limits it in /tmp, /var/tmp and /dev/shm', { skip }, async (t) => {
  const quota = openQuota(host, '/home')
  const places = (await findOpenPlaces(host)).map(({ path }) => path)
  t.ok(
    ['/tmp', '/var/tmp', '/dev/shm'].every((path) => places.includes(path)),
    `folders that no quota counts are found: ${places.join(', ')}`,
  )
  t.notOk(places.some((path) => path.startsWith('/home') || path.startsWith('/proc')))

  const folder = await mkdtemp('/var/tmp/puppy-quota-policy-')
  const { files, folders } = renderTemporary({ group, below })
  const selinux = existsSync('/sys/fs/selinux/enforce')
  const [tenant, neighbour, person] = (await createUsers(t, host, [
    { uid: 71_301, groups: [group] },
    { uid: 71_302, groups: [group] },
    { uid: 71_303, groups: [] },
  ])) as [User, User, User]
  t.teardown(async () => {
    await tell(host, 'crontab', '-u', tenant.name, '-r')
    await tell(host, 'pam-auth-update', '--package', '--remove', 'puppy-temporary')
    for (const { path } of files) await rm(path, { force: true })
    await tell(host, 'pam-auth-update', '--package')
    if (selinux) {
      await tell(host, 'setsebool', 'allow_polyinstantiation', 'off')
      await tell(host, 'semodule', '-r', 'puppy-temporary')
    }
    await quota.ensure([tenant, neighbour].map(({ uid }) => ({ id: uid, bytes: none, inodes: none })))
    await rm(below, { recursive: true, force: true })
    await rm(folder, { recursive: true })
  })
  const hard = 8 * MiB
  await quota.ensure([tenant, neighbour].map(({ uid }) => ({ id: uid, bytes: { hard } })))

  for (const { path, mode } of folders) await host.makeFolder(path, { mode, uid: 0, gid: 0 })
  for (const { path, text } of files) await host.replace(path, text, { mode: 0o644 })
  t.equal(await tell(host, 'pam-auth-update', '--package'), '')
  if (selinux) {
    t.match(
      await tenant.ssh('echo in; echo x > /tmp/before; id -un'),
      /^in\npql71301$/,
      'before SELinux allows it, the login works',
    )
    t.ok(existsSync('/tmp/before'), 'with the shared folders')
    await rm('/tmp/before')
    await writeFile(join(folder, 'puppy-temporary.cil'), temporaryPolicy)
    await tell(host, 'semodule', '-i', join(folder, 'puppy-temporary.cil'))
    await tell(host, 'setsebool', 'allow_polyinstantiation', 'on')
    await tell(host, 'loginctl', 'terminate-user', tenant.name)
    await tell(host, 'systemctl', 'stop', `user-${tenant.uid}.slice`)
  }

  // cron first: it has the fewest rights and creates the folders.
  const fill = (path: string) => `dd if=/dev/zero of=${path} bs=64k count=32 conv=fsync`
  const job = ['/tmp/cron', '/var/tmp/cron', '/dev/shm/cron'].map((path) => `echo x > ${path}`).join('; ')
  await writeFile(join(folder, 'crontab'), `* * * * * ${job}; ${fill('/var/tmp/big')} 2>&1; touch done\n`)
  t.equal(await tell(host, 'crontab', '-u', tenant.name, join(folder, 'crontab')), '')
  await until('cron ran', async () => existsSync(`/home/${tenant.name}/done`))
  await tell(host, 'crontab', '-u', tenant.name, '-r')
  for (const [name, path] of [
    ['tmp', '/tmp'],
    ['var-tmp', '/var/tmp'],
    ['shm', '/dev/shm'],
  ] as const) {
    t.ok(existsSync(`${below}/${name}/${tenant.name}/cron`), `cron wrote to the private ${path}`)
    t.notOk(existsSync(`${path}/cron`), `and not to the shared ${path}`)
  }
  t.match(await tenant.ssh('ls /tmp /var/tmp /dev/shm'), /\/dev\/shm:\ncron\n/, 'an ssh session has the same folders')
  t.match(await tenant.ssh(fill('/tmp/big')), /copied/)
  const service = (script: string) => tenant.ssh(`systemd-run --user --wait --pipe --quiet sh -c '${script}'`)
  t.match(await service(fill('/dev/shm/big')), /copied/, 'a user service too')
  t.match(await service('ls /var/tmp'), /^big\ncron$/)
  t.match(await tenant.ssh(`${fill('/tmp/one')}; ${fill('/dev/shm/two')}`), /Disk quota exceeded/)
  const read = async ({ uid }: User) => (await quota.report([uid], { sync: true }))[0]?.bytes.used ?? Number.NaN
  const used = await read(tenant)
  t.ok(used <= hard && used > hard - MiB, `in all folders together: ${used} of ${hard} bytes`)

  const written = await neighbour.ssh(`${fill('/tmp/big')} 2>&1; ls /tmp`)
  t.match(written, /copied[^\n]*\nbig$/, 'another tenant can write, and sees only its own files')
  await writeFile('/tmp/puppy-quota-shared', '')
  const uncovered = await tenant.ssh("unshare -Urm sh -c 'umount /tmp; umount -l /tmp; ls /tmp' 2>&1")
  t.match(uncovered, /umount.*\n(.*\n)*cron/, 'in another mount namespace too, it sees its own files')
  t.notMatch(uncovered, 'puppy-quota-shared')
  await rm('/tmp/puppy-quota-shared')
  t.match(await person.ssh('grep -c pql-none /etc/group; echo x > /tmp/person; ls /tmp'), /person/)
  t.ok(existsSync('/tmp/person'), 'a user outside the group has the shared folder')
  await rm('/tmp/person', { force: true })

  // The folders are deleted, as by a mistake of the operator. No user is locked out.
  await rm(below, { recursive: true })
  t.match(await tenant.ssh('id -un'), tenant.name, 'the login works without the folders')
  t.ok((await read(tenant)) < 200_000, 'and the deleted files are no longer counted')
})
