import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { ensureSystemUsers, removeSystemUsers } from '../src/system-users.ts'
import { isRoot } from '@puppy/host/testing'

const passwd = 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n'
const ours =
  'puppy-postgres:x:990:990::/nonexistent:/usr/sbin/nologin\npuppy-api:x:991:991::/nonexistent:/usr/sbin/nologin\n'
const group = 'root:x:0:\nnogroup:x:65534:\nhaproxy:x:992:\n'
const live = { live: true, privileged: true }

void t.test('ensureSystemUsers() creates Puppy’s users once, and finds that of HAProxy', async (t) => {
  const host = createFakeHost({
    files: { '/etc/passwd': passwd, '/etc/group': group },
    programs: {
      '/usr/bin/systemd-sysusers': async ({ input, host: machine }) => {
        t.match(input, /^u puppy-postgres - /)
        await machine.replace('/etc/passwd', `${passwd}${ours}haproxy:x:992:992::/:/bin/false\n`)
        return {}
      },
    },
  })
  const users = await ensureSystemUsers(host, live)
  t.match(users, { postgres: { name: 'puppy-postgres', uid: 990 }, api: { uid: 991 }, haproxy: { user: 'haproxy' } })
  t.strictSame(await ensureSystemUsers(host, live), users)
  t.equal(host.commands.length, 1, 'the second call runs nothing')
})

void t.test(
  'ensureSystemUsers() creates no user for a host that is a folder, and returns the user nobody',
  async (t) => {
    const host = createFakeHost({ files: { '/etc/passwd': passwd, '/etc/group': group } })
    t.match(await ensureSystemUsers(host, { live: false, privileged: true }), {
      postgres: { name: 'nobody' },
      api: { uid: 65_534 },
      haproxy: { user: 'nobody', group: 'nogroup' },
    })
    t.equal(
      await ensureSystemUsers(host, { live: true, privileged: false }),
      undefined,
      'without root no such user exists',
    )
    t.strictSame(host.commands, [])
  },
)

void t.test('ensureSystemUsers() rejects when the users were not created', async (t) => {
  const programs = { '/usr/bin/systemd-sysusers': () => ({}) }
  await t.rejects(
    ensureSystemUsers(createFakeHost({ files: { '/etc/passwd': passwd, '/etc/group': group }, programs }), live),
    {
      message: /did not create the users/,
    },
  )
  await t.rejects(ensureSystemUsers(createFakeHost({ files: { '/etc/passwd': passwd, '/etc/group': group } }), live), {
    message: /systemd-standalone-sysusers/,
  })
})

void t.test('removeSystemUsers() removes existing users', async (t) => {
  const host = createFakeHost({
    files: { '/etc/passwd': passwd + ours, '/etc/group': group },
    programs: { '/usr/sbin/userdel': () => ({}) },
  })
  t.strictSame(await removeSystemUsers(host), ['puppy-postgres', 'puppy-api'])
  t.strictSame(host.commands[0], ['/usr/sbin/userdel', '--', 'puppy-postgres'])
})

void t.test(
  'dropRoot() is permanent, groups and capabilities included',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const module = fileURLToPath(new URL('../src/system-users.ts', import.meta.url))
    const script = `
    const { dropRoot } = await import(${JSON.stringify(module)})
    const { readFileSync } = await import('node:fs')
    process.setgroups([0, 4])
    dropRoot({ name: 'nobody', uid: 65534, gid: 65534 })
    let back = 'no'
    try { process.setuid(0); back = 'yes' } catch {}
    console.log(JSON.stringify({ uid: process.getuid(), groups: process.getgroups(), cwd: process.cwd(), back,
      capabilities: /^CapEff:\\s*(\\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1] }))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    t.notOk(stderr.includes('Error'), stderr)
    t.strictSame(JSON.parse(stdout), {
      uid: 65_534,
      groups: [65_534],
      cwd: '/',
      back: 'no',
      capabilities: '0000000000000000',
    })
  },
)
