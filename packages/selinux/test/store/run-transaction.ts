import { createFakeHost, createFakeUnshare, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { textFile } from '../../src/store/generations.ts'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy } from '../../src/store/plan.ts'
import { runTransaction } from '../../src/store/run-transaction.ts'
import type { PolicySpec } from '../../src/store/spec.ts'
import { observedStore } from '../support/store.ts'

const lock = '/var/lib/selinux/default/semanage.trans.LOCK'
const locked = 'libsemanage.semanage_get_lock: Could not get direct transaction lock at /x.\n'
const options = { deadline: 0, timeout: 1000, reload: true, folder: '/run', logged: false }
const installs: PolicySpec = { modules: { puppy_a: 'text' } }
const sets: PolicySpec = { booleans: { one: true } }
const { changes } = planPolicy(installs, observedStore())

void t.test('runTransaction() runs semodule, or the library for booleans', async (t) => {
  let request: string | undefined
  const python: FakeProgram = async ({ args, host }) => {
    request = await host.read(args.at(-1) ?? '')
    return { stdout: 'boolean one 1\n' }
  }
  const host = createFakeHost({
    files: { '/run/x': '' },
    programs: { '/usr/sbin/semodule': () => ({}), '/usr/bin/python3': python },
  })
  t.strictSame(await runTransaction(host, 'default', changes, options), {})
  const file = textFile('default', moduleName('puppy_a', 'text'))
  t.strictSame(host.commands, [['/usr/sbin/semodule', '-s', 'default', '-X', '400', '-i', file]])
  const both = planPolicy({ ...installs, ...sets }, observedStore())
  t.strictSame(await runTransaction(host, 'default', both.changes, { ...options, reload: false }), { one: true })
  const { install, booleans, reload } = JSON.parse(request ?? '') as Readonly<Record<string, unknown>>
  t.strictSame({ install, booleans, reload }, { install: [file], booleans: { one: 1 }, reload: 0 })
  t.strictSame(await host.list('/run'), ['x'], 'the request is removed')
})

void t.test('runTransaction() hides users from the tool where the host can do so', async (t) => {
  const files = { '/run/x': '', '/etc/passwd': 'root:x:0:0::/:/bin/sh\np1:x:1:1::/h:/bin/sh\n' }
  const programs: Record<string, FakeProgram> = { '/usr/sbin/semodule': () => ({}) }
  const hidden = { ...options, hidden: new Set(['p1']) }
  const plain = createFakeHost({ files, programs: { ...programs } })
  await runTransaction(plain, 'default', changes, hidden)
  t.strictSame(
    plain.commands.map(([program]) => program),
    ['/usr/sbin/semodule'],
  )
  for (const name of ['find', 'mount', 'timeout']) programs[`/usr/bin/${name}`] = () => ({})
  programs['/usr/bin/unshare'] = createFakeUnshare(() => programs)
  const host = createFakeHost({ files, programs })
  t.strictSame(await runTransaction(host, 'default', changes, hidden), {})
  t.equal(host.commands.at(-1)?.[0], '/usr/bin/unshare')
  t.equal(await host.read('/run/passwd'), 'root:x:0:0::/:/bin/sh\n')
  programs['/usr/sbin/semodule'] = () => ({ exitCode: 1, stderr: 'why\n' })
  await t.rejects(runTransaction(host, 'default', changes, hidden), { code: 'SELINUX_REFUSED', message: /why/ })
})

void t.test('runTransaction() tries again while another process holds the store, until the deadline', async (t) => {
  let [tries, free] = [0, 3]
  const semodule: FakeProgram = () => {
    tries += 1
    return tries < free ? { exitCode: 1, stderr: locked } : {}
  }
  const host = createFakeHost({ programs: { '/usr/sbin/semodule': semodule } })
  await runTransaction(host, 'default', changes, { ...options, deadline: Date.now() + 60_000 })
  t.equal(tries, 3)
  free = Infinity
  await t.rejects(runTransaction(host, 'default', changes, options), {
    code: 'SELINUX_LOCKED',
    message: /another process held the store and has ended/,
  })
})

void t.test('runTransaction() stops waiting when it is aborted', async (t) => {
  const end = new AbortController()
  const semodule: FakeProgram = () => {
    setImmediate(() => end.abort())
    return { exitCode: 1, stderr: locked }
  }
  const host = createFakeHost({ programs: { '/usr/sbin/semodule': semodule } })
  const patient = { ...options, deadline: Date.now() + 60_000, signal: end.signal }
  await t.rejects(runTransaction(host, 'default', changes, patient), { code: 'HOST_ABORTED' })
})

void t.test('runTransaction() starts nothing while the lock is held', async (t) => {
  const host = createFakeHost({
    files: { [lock]: '' },
    programs: {
      '/usr/bin/stat': () => ({ stdout: 'fe00 4711\n' }),
      '/usr/bin/cat': ({ args }) => ({
        stdout: args[0] === '/proc/locks' ? '1: FLOCK  ADVISORY  WRITE 77 fe:00:4711 0 EOF\n' : 'dpkg\n',
      }),
      '/usr/sbin/semodule': () => ({}),
    },
  })
  await t.rejects(runTransaction(host, 'default', changes, options), {
    code: 'SELINUX_LOCKED',
    message: /process 77 \(dpkg\) holds the store/,
  })
  t.notOk(host.commands.some(([program]) => program.endsWith('semodule')))
})

void t.test('runTransaction() checks for a full disk when semodule prints no reason', async (t) => {
  const host = (stderr: string, free: string) =>
    createFakeHost({
      programs: {
        '/usr/sbin/semodule': () => ({ exitCode: 1, stderr }),
        '/usr/bin/du': () => ({ stdout: '100\t/x\n' }),
        '/usr/bin/df': () => ({ stdout: `Avail\n${free}\n` }),
      },
    })
  const mute = 'libsemanage: Removing last puppy_a module\n/usr/sbin/semodule:  Failed!\n'
  await t.rejects(runTransaction(host(mute, '299'), 'default', changes, options), {
    code: 'SELINUX_NO_SPACE',
    message: /printed no reason, and the disk is full: 299 bytes are free/,
  })
  for (const [stderr, free] of [
    [mute, '300'],
    [mute, '-'],
    ['why\n/usr/sbin/semodule:  Failed!\n', '0'],
  ] as const)
    await t.rejects(runTransaction(host(stderr, free), 'default', changes, options), { code: 'SELINUX_REFUSED' })
})

void t.test('runTransaction() names a missing package and an unknown boolean', async (t) => {
  const fails = (stderr: string) =>
    createFakeHost({ files: { '/run/x': '' }, programs: { '/usr/bin/python3': () => ({ exitCode: 1, stderr }) } })
  const set = (stderr: string) =>
    runTransaction(fails(stderr), 'default', planPolicy(sets, observedStore()).changes, options)
  await t.rejects(set("no library: No module named 'semanage'\n"), {
    code: 'SELINUX_NOT_INSTALLED',
    message: /policycoreutils-python-utils/,
  })
  await t.rejects(set('no boolean: one\n'), { code: 'SELINUX_INVALID', message: /"one"/ })
  await t.rejects(set('something else\n'), { code: 'SELINUX_REFUSED', message: /something else/ })
})
