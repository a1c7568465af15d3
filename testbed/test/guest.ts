import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { createHost } from '@puppy/host'
import t, { type Test } from 'tap'
import { findDefinition } from '../src/definition.ts'
import {
  answers,
  awaitSsh,
  findGuest,
  findGuestProcesses,
  findGuests,
  guestName,
  startGuest,
  stopGuests,
} from '../src/guest.ts'
import { createPaths } from '../src/paths.ts'

t.setTimeout(120_000)

const host = createHost()
const skip =
  host.program('qemu-system-x86_64') === undefined || host.program('qemu-img') === undefined
    ? 'QEMU is not installed'
    : false

void t.test('guestName() returns a name only for a QEMU of this checkout', async (t) => {
  const line = (...words: string[]) => words.join('\0')
  t.equal(guestName(line('/usr/bin/qemu-system-x86_64', '-name', 'tag/trixie/1'), 'tag'), 'trixie/1')
  t.equal(guestName(line('/usr/bin/qemu-system-x86_64', '-name', 'other/trixie/1'), 'tag'), undefined)
  t.equal(guestName(line('vim', '-name', 'tag/trixie/1'), 'tag'), undefined)
  t.equal(guestName('', 'tag'), undefined)
})

/** Creates a kernel with a valid header and no code. @see the kernel's arch/x86/boot.rst */
function emptyKernel(): Buffer {
  const image = Buffer.alloc(65_536)
  image.writeUInt8(1, 0x1f1)
  image.writeUInt16LE(0xaa55, 0x1fe)
  image.write('HdrS', 0x202, 'latin1')
  image.writeUInt16LE(0x020c, 0x206)
  image.writeUInt8(1, 0x211)
  image.writeUInt32LE(0x37ffffff, 0x22c)
  return image
}

/** Creates a machine that starts and never answers, because its kernel is empty. */
function silentMachine(t: Test) {
  const paths = createPaths(t.testdir())
  const image = `${paths.images}/trixie/none`
  mkdirSync(image, { recursive: true })
  mkdirSync(paths.dependencies, { recursive: true })
  writeFileSync(`${image}/host-key.pub`, 'ssh-ed25519 AAAA\n')
  writeFileSync(`${image}/vmlinuz`, emptyKernel())
  writeFileSync(`${image}/initrd.img`, Buffer.alloc(4096))
  for (const file of [`${image}/root.img`, `${paths.dependencies}/d.img`]) execFileSync('truncate', ['-s', '1M', file])
  for (const disk of ['home', 'xfs']) {
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', `${image}/${disk}.qcow2`, '1M'])
  }
  t.teardown(() => stopGuests(paths))
  const definition = { ...findDefinition('trixie'), memoryMiB: 128, cpus: 1 }
  const options = {
    definition,
    accelerator: 'tcg',
    image,
    dependencies: `${paths.dependencies}/d.img`,
    number: 1,
    hosts: 1,
  } as const
  return { paths, options }
}

void t.test(
  'a guest that does not answer is reported, found by its process, and ended with all of its files',
  { skip },
  async (t) => {
    const { paths, options } = silentMachine(t)
    const guest = await startGuest(host, paths, options)
    t.equal((await findGuestProcesses(paths.tag)).get('trixie/1'), guest.pid)
    t.strictSame(
      (await findGuests(paths, 'trixie')).map(({ name, port, pid }) => ({ name, port, pid })),
      [{ name: 'trixie/1', port: guest.port, pid: guest.pid }],
    )
    await t.rejects(awaitSsh(guest, { timeout: 1000 }), {
      name: 'TestbedError',
      message: /^trixie\/1 does not answer by ssh after 1 s; the end of its console: /,
    })
    t.equal(await answers(guest, 200), false)
    t.strictSame(await stopGuests(paths, 'trixie'), ['trixie/1'])
    t.strictSame([...(await findGuestProcesses(paths.tag))], [])
    t.strictSame(await host.list(paths.guests), [])
    await t.rejects(findGuest(paths, 'trixie'), { message: /testbed up --release trixie/ })
  },
)

void t.test('startGuest() throws the message of QEMU when the port is in use', { skip }, async (t) => {
  const { paths, options } = silentMachine(t)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await t.rejects(startGuest(host, paths, { ...options, port }), {
    name: 'TestbedError',
    message: new RegExp(`^QEMU ended: .*Could not set up host forwarding rule 'tcp:127\\.0\\.0\\.1:${port}-:22'`),
  })
  t.strictSame([...(await findGuestProcesses(paths.tag))], [])
})

void t.test('stopGuests() finds a guest whose folder was deleted', { skip }, async (t) => {
  const { paths, options } = silentMachine(t)
  await startGuest(host, paths, options)
  execFileSync('rm', ['-rf', paths.guests])
  t.strictSame(await stopGuests(paths), ['trixie/1'])
  t.strictSame([...(await findGuestProcesses(paths.tag))], [])
})
