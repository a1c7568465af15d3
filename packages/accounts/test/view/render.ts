import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createHost } from '@puppy/host'
import fc from 'fast-check'
import t from 'tap'
import { renderView, viewPolicy } from '../../src/view/index.ts'

const wanted = { group: 'puppy-tenants', below: '/home/.temporary' }

void t.test('renderView() renders the view of the members of one group', async (t) => {
  const { files, folders } = renderView(wanted)
  const [program, ...rest] = files
  t.match(program, { path: '/usr/libexec/puppy/open-view', mode: 0o755, text: /^#!\/bin\/sh\n/ })
  t.strictSame(rest, [
    {
      path: '/etc/tmpfiles.d/puppy-view.conf',
      text: 'R! /home/.temporary/tmp/*\nR! /home/.temporary/shm/*\n',
      mode: 0o644,
    },
    {
      path: '/etc/security/namespace.d/puppy-view.conf',
      text: [
        '/tmp /home/.temporary/tmp/ user:noinit root',
        '/var/tmp /home/.temporary/var-tmp/ user:noinit root',
        '/dev/shm /home/.temporary/shm/ user:iscript=/usr/libexec/puppy/open-view root',
        '',
      ].join('\n'),
      mode: 0o644,
    },
    {
      path: '/usr/share/pam-configs/puppy-view',
      text: [
        'Name: View of members of puppy-tenants',
        'Default: yes',
        'Priority: 0',
        'Session-Type: Additional',
        'Session:',
        '\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup puppy-tenants',
        '\toptional pam_namespace.so ignore_config_error',
        '',
      ].join('\n'),
      mode: 0o644,
    },
  ])
  t.match(renderView(wanted).bus, { path: '/etc/dbus-1/system.d/puppy-view.conf', mode: 0o644 })
  t.strictSame(renderView(wanted).bus.text.split('\n').slice(2), [
    '<busconfig>',
    '  <policy group="puppy-tenants">',
    '    <deny send_destination="org.freedesktop.login1"/>',
    '    <deny send_destination="org.freedesktop.systemd1"/>',
    '  </policy>',
    '</busconfig>',
    '',
  ])
  t.strictSame(folders, [
    { path: '/home/.temporary', mode: 0o711 },
    { path: '/home/.temporary/tmp', mode: 0 },
    { path: '/home/.temporary/var-tmp', mode: 0 },
    { path: '/home/.temporary/shm', mode: 0 },
  ])
})

void t.test('viewPolicy has balanced brackets and a block for each program that opens sessions', async (t) => {
  t.strictSame(
    [...viewPolicy.matchAll(/^\(optional (\w+)$/gm)].map(([, name]) => name),
    ['puppy_view_sshd_t', 'puppy_view_crond_t', 'puppy_view_local_login_t', 'puppy_view_mount'],
  )
  t.equal(viewPolicy.split('(').length, viewPolicy.split(')').length)
})

void t.test('renderView() refuses groups and folders that a line of the files cannot contain', async (t) => {
  for (const wrong of [
    { group: 'a b' },
    { group: 'a\nb' },
    { group: '-a' },
    { group: '' },
    { below: 'home' },
    { below: '/home/a b' },
    { below: '/home/$USER' },
    { below: '/home/../etc' },
    { below: '/home/.' },
    { below: '/home/' },
    { below: '/' },
    { below: '/home/a\n' },
  ])
    t.throws(() => renderView({ ...wanted, ...wrong }), RangeError, JSON.stringify(wrong))
  fc.assert(
    fc.property(fc.string(), fc.string(), (group, below) => {
      try {
        const [, , conf, profile] = renderView({ group, below }).files
        return conf?.text.split('\n').length === 4 && profile?.text.split('\n').length === 8
      } catch (error) {
        return error instanceof RangeError
      }
    }),
  )
})

const host = createHost()
/** Runs words in a mount namespace of their own and returns what they print. */
const apart = (script: string) =>
  execFileSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to mount'
  if (host.program('setpriv') === undefined) return 'setpriv is not installed'
  try {
    apart('mount -t proc -o hidepid=invisible proc /proc')
    return false
  } catch {
    return 'this machine does not allow to mount /proc'
  }
}

void t.test('the program of a view limits /proc in its mount namespace only', { skip: whyNot() }, async (t) => {
  const folder = mkdtempSync('/var/tmp/puppy-view-')
  t.teardown(() => rmSync(folder, { recursive: true }))
  const program = `${folder}/open-view`
  writeFileSync(program, renderView({ ...wanted, below: `${folder}/.temporary` }).files[0]!.text, { mode: 0o755 })
  mkdirSync(`${folder}/.temporary/tmp/tenant`, { recursive: true })
  const open = `${program} /dev/shm ${folder}/.temporary/shm/tenant 0 tenant`
  const session = `mount --bind ${folder}/.temporary/tmp/tenant /tmp`
  const tenant = `setpriv --reuid 61234 --regid 61234 --clear-groups`
  const count = `ls /proc | grep -c '^[0-9]'`
  const seen = apart(`${session}; ${open}; ${tenant} ls /proc | grep -c '^[0-9]'; ${count}`)
  const [tenantSees = 0, rootSees = 0] = seen.trim().split('\n').map(Number)
  t.ok(tenantSees <= 3, `a tenant sees its own processes: ${tenantSees}`)
  t.ok(rootSees > tenantSees, `root sees all: ${rootSees}`)
  t.match(
    apart(`${session}; ${open}; ${tenant} cat /proc/meminfo`),
    /MemTotal/,
    'files about the machine stay readable',
  )
  t.notMatch(
    apart(`${open}; cat /proc/self/mountinfo`),
    'hidepid=invisible',
    'without a private /tmp it mounts nothing',
  )
  t.notMatch(
    apart(`${session}; ${open.replace('0 tenant', '0 other')}; cat /proc/self/mountinfo`),
    'hidepid=invisible',
    'in the session of another user too',
  )
  const records = 'mount -t tmpfs none /run; mkdir -p /run/systemd/sessions; echo x > /run/systemd/sessions/1'
  const list = `${tenant} ls -A /run/systemd/sessions; ${tenant} stat -c %a /run/systemd/sessions`
  t.equal(apart(`${records}; ${session}; ${open}; ${list}`), '755\n', 'the records of logind are hidden')
  t.equal(apart(`${records}; ${open}; ${list}`), '1\n755\n', 'but not from other sessions')
  const respected = apart(`${session}; mount -t proc -o hidepid=noaccess proc /proc; ${open}; cat /proc/self/mountinfo`)
  t.notMatch(respected, 'hidepid=invisible', 'an option of the operator stays')
})
