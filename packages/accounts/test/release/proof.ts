import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/index.ts'
import { forgetReleased, readRestarted, readUnproved } from '../../src/release/proof.ts'

const slots = [0, 1].map((n) => slotAt(defaultLayout, n))
const bootFile = '/proc/sys/kernel/random/boot_id'
const [first, second] = ['0f6a6f1e-0f6a-4f6a-8f6a-0f6a6f1e0f6a', '1f6a6f1e-0f6a-4f6a-8f6a-0f6a6f1e0f6a'] as const

function machine(homeOptions: string, mode = 0o777) {
  const mounts = `1 1 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / /home ${homeOptions} - ext4 /dev/vdb rw\n3 1 0:3 / /dev/shm rw,nosuid,nodev - tmpfs none rw\n`
  const host = createFakeHost({ files: { '/proc/self/mountinfo': mounts }, links: { '/var/link': 'tmp' } })
  return host.makeFolder('/home').then(async () => {
    for (const folder of ['/home', '/var/tmp', '/dev/shm'])
      await host.makeFolder(folder, { mode: folder === '/home' ? 0o755 : mode })
    return host
  })
}

const unproved = async (host: Awaited<ReturnType<typeof machine>>, folders: string[], counted: string[] = []) =>
  (await readUnproved(host, '/home', folders, counted)).map(({ folder, mountPoint }) => `${folder} on ${mountPoint}`)

void t.test('readUnproved() returns folders of tenants that are neither nosuid nor counted', async (t) => {
  const host = await machine('rw')
  t.strictSame(await unproved(host, ['/var/tmp', '/dev/shm', '/no/such']), ['/home on /home', '/var/tmp on /'])
  t.strictSame(await unproved(host, ['/var/tmp'], ['/home']), ['/var/tmp on /'])
  t.strictSame(await unproved(await machine('rw,nosuid'), []), [])
  t.strictSame(await unproved(await machine('rw,nosuid', 0o755), ['/var/tmp']), [], 'only root can write there')
  t.strictSame(await unproved(await machine('rw,nosuid'), ['/var/link']), ['/var/link on /'], 'a link')
})

void t.test('readRestarted() returns the slots that were scrubbed in an earlier boot', async (t) => {
  const host = createFakeHost({ files: { [bootFile]: `${first}\n` } })
  t.strictSame(await readRestarted(host, slots.slice(0, 1)), new Set())
  t.strictSame(await readRestarted(host, slots), new Set(), 'in the same boot')
  t.match(await host.status('/etc/puppy/released'), { mode: 0o700, uid: 0 })
  await host.replace(bootFile, `${second}\n`)
  t.strictSame(await readRestarted(host, slots), new Set([0, 1]))
  await forgetReleased(host, slots.slice(0, 1))
  t.strictSame(await host.list('/etc/puppy/released'), ['p10001'])
  t.strictSame(await readRestarted(host, slots), new Set([1]), 'a slot that was used since is not proved')
})

void t.test('readRestarted() proves nothing without the id of the boot', async (t) => {
  const host = createFakeHost({ files: { [bootFile]: `${first}\n` } })
  await readRestarted(host, slots)
  await host.remove(bootFile)
  t.strictSame(await readRestarted(host, slots), new Set())
})
