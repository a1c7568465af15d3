import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { inspect } from '../src/doctor.ts'
import { pairAt } from '../src/level.ts'

const on = { '/sys/fs/selinux/enforce': '0', '/sys/fs/selinux/mls': '1', '/sys/fs/selinux/policyvers': '33' }
const tenant = { login: 'p10000', uid: 10_000, level: pairAt(0), home: '/home/p10000' }
const labelled = (context: string) => ({ '/usr/bin/find': () => ({ stdout: `${context}\0/home/p10000\0` }) })
const process = (context: string) => ({
  '/proc/7/status': 'Name:\tsh\nUid:\t10000\t10000\t10000\t10000\n',
  '/proc/7/attr/current': `${context}\0`,
  '/proc/8/status': 'Name:\tsh\nUid:\t0\t0\t0\t0\n',
  '/proc/8/attr/current': 'anything',
})
const look = async (context: string, home = context) => {
  const host = createFakeHost({ files: { ...on, ...process(context) }, programs: labelled(home) })
  return Object.fromEntries((await inspect(host, [tenant])).map((finding) => [finding.check, finding]))
}

void t.test('inspect() says that SELinux is off', async (t) => {
  t.strictSame(await inspect(createFakeHost(), [tenant]), [
    { check: 'mode', holds: false, message: 'SELinux is off in this kernel' },
  ])
})

void t.test('inspect() fails closed, and names what is wrong', async (t) => {
  const found = await look('unconfined_u:unconfined_r:unconfined_t:s0')
  t.match(found['mode'], { holds: false, message: /permissive/ })
  for (const check of ['policy', 'apart', 'ports'])
    t.match(found[check], { holds: false }, `${check} could not be asked`)
  t.match(found['processes'], { holds: false, message: /process 7 of p10000 is unconfined_u/ })
  t.match(found['homes'], { holds: false, message: /relabel it/ })
  t.match((await look('puppy_u:user_r:user_t:s0:c0,c2'))['processes'], { holds: false }, 'another level')
  t.match((await look('puppy_u:user_r:user_t:s0-s0:c0,c1'))['processes'], { holds: false }, 'a range')
  t.match((await look('nonsense'))['processes'], { holds: false })
})

void t.test('inspect() takes processes and homes that are as they should be', async (t) => {
  const found = await look('puppy_u:user_r:user_t:s0:c0,c1', 'puppy_u:object_r:user_home_dir_t:s0:c0,c1')
  t.strictSame([found['processes']?.holds, found['homes']?.holds], [true, true])
  t.match(
    (await look('system_u:system_r:sshd_t:s0-s0:c0.c1023'))['processes'],
    { holds: true },
    'on its way to a shell',
  )
  t.match((await look('system_u:system_r:unconfined_service_t:s0'))['processes'], { holds: false })
})
