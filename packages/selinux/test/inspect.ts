import { createFakeHost, renderFakeProcess } from '@puppy/host/fake'
import t from 'tap'
import { inspect } from '../src/inspect.ts'
import { pairAt } from '../src/level.ts'

const on = { '/sys/fs/selinux/enforce': '0', '/sys/fs/selinux/mls': '1', '/sys/fs/selinux/policyvers': '33' }
const tenant = { login: 'p10000', uid: 10_000, level: pairAt(0), home: '/home/p10000' }
const findPrints = (context: string) => ({ '/usr/bin/find': () => ({ stdout: `${context}\0/home/p10000\0` }) })
const processes = (context: string, name: string) => ({
  ...renderFakeProcess({ pid: 7, uid: 10_000, name }),
  '/proc/7/attr/current': `${context}\0`,
  ...renderFakeProcess({ pid: 8, uid: 0 }),
  '/proc/8/attr/current': 'anything',
})
const inspectOne = async (context: string, home = context, name = 'sh') => {
  const host = createFakeHost({ files: { ...on, ...processes(context, name) }, programs: findPrints(home) })
  return Object.fromEntries((await inspect(host, [tenant])).map((finding) => [finding.check, finding]))
}

void t.test('inspect() reports that SELinux is off', async (t) => {
  t.strictSame(await inspect(createFakeHost(), [tenant]), [
    {
      check: 'mode',
      holds: false,
      message: 'SELinux is off in this kernel; install a policy, run selinux-activate and reboot',
    },
  ])
})

void t.test('inspect() reports a check that cannot run as failed, and names each problem', async (t) => {
  const found = await inspectOne('unconfined_u:unconfined_r:unconfined_t:s0')
  t.match(found['mode'], { holds: false, message: /permissive/ })
  for (const check of ['policy', 'apart', 'ports', 'programs'])
    t.match(found[check], { holds: false }, `${check} could not be inspected`)
  t.match(found['processes'], { holds: false, message: /process 7 of p10000 has the context unconfined_u/ })
  t.match(found['homes'], { holds: false, message: /relabel it/ })
  t.match((await inspectOne('puppy_u:user_r:user_t:s0:c0,c2'))['processes'], { holds: false }, 'another level')
  t.match((await inspectOne('puppy_u:user_r:user_t:s0-s0:c0,c1'))['processes'], { holds: false }, 'a range')
  t.match((await inspectOne('nonsense'))['processes'], { holds: false })
})

void t.test('inspect() accepts processes and homes with the level of their tenant', async (t) => {
  const found = await inspectOne('puppy_u:user_r:user_t:s0:c0,c1', 'puppy_u:object_r:user_home_dir_t:s0:c0,c1')
  t.strictSame([found['processes']?.holds, found['homes']?.holds], [true, true])
  t.match(
    (await inspectOne('system_u:system_r:sshd_t:s0-s0:c0.c1023'))['processes'],
    { holds: true },
    'before the shell',
  )
  t.match((await inspectOne('system_u:system_r:unconfined_service_t:s0'))['processes'], { holds: false })
})

void t.test('inspect() finds a process regardless of its name', async (t) => {
  const wrong = 'unconfined_u:unconfined_r:unconfined_t:s0'
  for (const name of ['x\rUid:\t0\t0\t0\t0', 'x\nUid:\t0\t0\t0\t0', 'x\u2028Uid:\t0\t0\t0\t0', 'Uid:\t0']) {
    const found = await inspectOne(wrong, wrong, name)
    t.match(
      found['processes'],
      { holds: false, message: /process 7 of p10000 has the context unconfined_u/ },
      encodeURI(name),
    )
  }
})

void t.test('inspect() fails for processes that cannot be read, and ignores dead ones', async (t) => {
  const wrong = { '/proc/7/attr/current': 'unconfined_u:unconfined_r:unconfined_t:s0\0' }
  const files = { ...on, '/proc/7/status': 'Name:\tsh\nUid:\t10000\t10000\t10000\t10000\n', ...wrong }
  const of = async (host: Parameters<typeof inspect>[0]) =>
    (await inspect(host, [tenant])).find(({ check }) => check === 'processes')
  const programs = findPrints('puppy_u:object_r:user_home_dir_t:s0:c0,c1')
  t.match(await of(createFakeHost({ files, programs })), { holds: false, message: /unknown form/ })
  const zombie = { ...on, ...renderFakeProcess({ pid: 7, uid: 10_000, state: 'Z' }), ...wrong }
  t.match(await of(createFakeHost({ files: zombie, programs })), { holds: true })
})
