import t from 'tap'
import { createFakeHost, renderFakeProcess } from '@puppy/host/fake'
import { adviceFor, readStrays } from '../src/strays.ts'

const uid = 10_001
const slice = 'user.slice/user-10001.slice'

void t.test('readStrays() finds processes outside their slices', async (t) => {
  const processes = [
    { pid: 11, uid, group: `${slice}/session-1.scope` },
    { pid: 12, uid, group: 'system.slice/cron.service', name: 'sleep' },
    { pid: 13, uid, group: slice },
    { pid: 14, uid: 10_002, group: 'system.slice/cron.service' },
    { pid: 15, uid, group: 'user.slice/user-100011.slice' },
    { pid: 16, uid, group: '', state: 'Z' },
  ]
  const files = Object.assign({}, ...processes.map(renderFakeProcess)) as Record<string, string>
  const more = { '/proc/17/status': '', '/proc/self/status': '', '/proc/meminfo': '' }
  const strays = await readStrays(createFakeHost({ files: { ...files, ...more } }), [uid])
  t.strictSame(
    strays.map(({ pid, uid: of, name, group }) => ({ pid, uid: of, name, group })),
    [
      { pid: 12, uid, name: 'sleep', group: 'system.slice/cron.service' },
      { pid: 15, uid, name: 'sh', group: 'user.slice/user-100011.slice' },
    ],
  )
  t.match(strays[0]?.advice, /renderPamProfile/)
  t.match(strays[1]?.advice, /user-100011\.slice/)
})

void t.test('readStrays() finds a process with any name and any group', async (t) => {
  const names = [
    '\rUid:\t0\t0',
    '\nUid:\t0\t0\t0\t0\n',
    'a\\nUid:\t0',
    '\u2028Uid:\t0\t0',
    '\u0085\fUid:\t0',
    ') R 1 (',
    '',
  ]
  const groups = [
    'system.slice/\rx',
    'system.slice/a\u0001b',
    'system.slice/0::/user.slice/user-10001.slice',
    'x (deleted)',
  ]
  const rows = [
    ...names.map((name) => ({ name, group: 'system.slice/cron.service' })),
    ...groups.map((group) => ({ name: 'sh', group })),
  ]
  for (const [index, { name, group }] of rows.entries()) {
    const files = renderFakeProcess({ pid: 12, uid, name, group })
    const strays = await readStrays(createFakeHost({ files }), [uid])
    t.strictSame(
      strays.map((stray) => [stray.pid, stray.name, stray.group]),
      [[12, name, group.replace(' (deleted)', '')]],
      // The name of the assertion has no such characters, because TAP ends a line at some of them.
      `row ${index}`,
    )
  }
})

void t.test('readStrays() throws when it cannot read a process', async (t) => {
  const files = { '/proc/12/status': 'Name:\tsh\nUid:\tnone\n' }
  await t.rejects(readStrays(createFakeHost({ files }), [uid]), { code: 'HOST_READ_FAILED' })
  const { '/proc/12/cgroup': _, ...others } = renderFakeProcess({ pid: 12, uid, group: 'system.slice/cron.service' })
  const unreadable = { ...others, '/proc/12/cgroup/a-folder': '' }
  await t.rejects(readStrays(createFakeHost({ files: unreadable }), [uid]), {
    code: 'HOST_READ_FAILED',
    facts: { path: '/proc/12/cgroup' },
  })
})

void t.test('adviceFor() returns advice for common groups', async (t) => {
  const rows = [
    ['system.slice/cron.service', /profile/],
    ['system.slice/atd.service', /profile/],
    ['system.slice/ssh.service', /UsePAM/],
    ['user.slice/user-0.slice/session-3.scope', /user-0\.slice started it \(su, sudo.*--uid=7/],
    ['machine.slice/x.scope', /container/],
    ['system.slice/php8.4-fpm.service', /php8\.4-fpm\.service started it/],
    ['init.scope', /end it/],
    ['', /end it/],
  ] as const
  for (const [group, expected] of rows) t.match(adviceFor(group, 7), expected)
})
