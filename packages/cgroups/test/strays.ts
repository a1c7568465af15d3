import fc from 'fast-check'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { adviceFor, parseStatus, readStrays } from '../src/strays.ts'

const proc = (pid: number, uid: number, group: string, name = 'sh') => ({
  [`/proc/${pid}/status`]: `Name:\t${name}\nUmask:\t0022\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`,
  [`/proc/${pid}/cgroup`]: `0::/${group}\n`,
})

void t.test('readStrays() finds who is outside of his slice', async (t) => {
  const files = {
    ...proc(11, 10_001, 'user.slice/user-10001.slice/session-1.scope'),
    ...proc(12, 10_001, 'system.slice/cron.service', 'sleep'),
    ...proc(13, 10_001, 'user.slice/user-10001.slice'),
    ...proc(14, 10_002, 'system.slice/cron.service'),
    ...proc(15, 10_001, 'user.slice/user-100011.slice'),
    '/proc/16/status': '',
    '/proc/self/status': '',
    '/proc/meminfo': '',
  }
  const strays = await readStrays(createFakeHost({ files }), [10_001])
  t.matchOnlyStrict(strays, [
    { pid: 12, uid: 10_001, name: 'sleep', group: 'system.slice/cron.service', advice: /renderPamProfile/ },
    { pid: 15, uid: 10_001, name: 'sh', group: 'user.slice/user-100011.slice', advice: /user-100011\.slice/ },
  ])
})

void t.test('adviceFor() knows the usual places', async (t) => {
  const rows = [
    ['system.slice/cron.service', /profile/],
    ['system.slice/atd.service', /profile/],
    ['system.slice/ssh.service', /UsePAM/],
    ['user.slice/user-0.slice/session-3.scope', /user-0\.slice \(su, sudo.*--uid=7/],
    ['machine.slice/x.scope', /container/],
    ['system.slice/php8.4-fpm.service', /php8\.4-fpm\.service acts for it/],
    ['init.scope', /end it/],
    ['', /end it/],
  ] as const
  for (const [group, expected] of rows) t.match(adviceFor(group, 7), expected)
})

void t.test('parseStatus() takes any text', async (t) => {
  t.strictSame(parseStatus('Name:\ta (b)\nUid:\t5\t6\t6\t6\n'), { name: 'a (b)', uid: 5 })
  fc.assert(fc.property(fc.string(), (text) => typeof parseStatus(text).name === 'string'))
})
