import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { planPolicy, type PolicyWish } from '../../src/store/plan.ts'
import { runTransaction } from '../../src/store/run.ts'
import { seenStore } from '../support/store.ts'

const lock = '/var/lib/selinux/default/semanage.trans.LOCK'
const locked = 'libsemanage.semanage_get_lock: Could not get direct transaction lock at /x.\n'
const options = { deadline: 0, timeout: 1000, reload: true, folder: '/run', logged: false }
const installs: PolicyWish = { modules: { puppy_a: 'text' } }
const sets: PolicyWish = { booleans: { one: true } }
const { changes } = planPolicy(installs, seenStore())

void t.test('runTransaction() takes semodule, or the library for booleans', async (t) => {
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
  t.matchOnlyStrict(host.commands, [['/usr/sbin/semodule', '-s', 'default', '-X', '400', '-i', /puppy_a-\w+\.cil$/]])
  const both = planPolicy({ ...installs, ...sets }, seenStore())
  t.strictSame(await runTransaction(host, 'default', both.changes, { ...options, reload: false }), { one: true })
  t.matchOnlyStrict(JSON.parse(request ?? ''), {
    root: '/',
    type: 'default',
    reload: 0,
    remove: [],
    install: [/puppy_a/],
    enable: [],
    disable: [],
    booleans: { one: 1 },
    declared: [],
    rebuild: false,
    silent: null,
  })
  t.strictSame(await host.list('/run'), ['x'], 'the request is gone')
})

void t.test('runTransaction() tries again while somebody has the store, and then gives up', async (t) => {
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
    message: /somebody who is gone again has it/,
  })
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
    message: /process 77 \(dpkg\) has it/,
  })
  t.notOk(host.commands.some(([program]) => program.endsWith('semodule')))
})

void t.test('runTransaction() looks whether the disk is full where semodule does not say why it failed', async (t) => {
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
    message: /did not say why, and the disk is full: 299 bytes are free/,
  })
  for (const [stderr, free] of [
    [mute, '300'],
    [mute, '-'],
    ['why\n/usr/sbin/semodule:  Failed!\n', '0'],
  ] as const)
    await t.rejects(runTransaction(host(stderr, free), 'default', changes, options), { code: 'SELINUX_REFUSED' })
})

void t.test('runTransaction() says which package is missing, and which boolean', async (t) => {
  const fails = (stderr: string) =>
    createFakeHost({ files: { '/run/x': '' }, programs: { '/usr/bin/python3': () => ({ exitCode: 1, stderr }) } })
  const set = (stderr: string) =>
    runTransaction(fails(stderr), 'default', planPolicy(sets, seenStore()).changes, options)
  await t.rejects(set("no library: No module named 'semanage'\n"), {
    code: 'SELINUX_NOT_INSTALLED',
    message: /policycoreutils-python-utils/,
  })
  await t.rejects(set('no boolean: one\n'), { code: 'SELINUX_INVALID', message: /"one"/ })
  await t.rejects(set('something else\n'), { code: 'SELINUX_REFUSED', message: /something else/ })
})
