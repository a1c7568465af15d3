import fc from 'fast-check'
import t from 'tap'
import { QuotaError } from '../src/errors.ts'
import { renderTemporary, temporaryPolicy } from '../src/temporary.ts'

const wanted = { group: 'puppy-tenants', below: '/home/.temporary' }

void t.test('renderTemporary() renders private temporary folders for the members of one group', async (t) => {
  const { files, folders } = renderTemporary(wanted)
  t.strictSame(files, [
    {
      path: '/etc/security/namespace.d/puppy-temporary.conf',
      text: [
        '/tmp /home/.temporary/tmp/ user:noinit root',
        '/var/tmp /home/.temporary/var-tmp/ user:noinit root',
        '/dev/shm /home/.temporary/shm/ user:noinit root',
        '',
      ].join('\n'),
    },
    {
      path: '/usr/share/pam-configs/puppy-temporary',
      text: [
        'Name: Temporary folders for members of puppy-tenants',
        'Default: yes',
        'Priority: 0',
        'Session-Type: Additional',
        'Session:',
        '\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup puppy-tenants',
        '\toptional pam_namespace.so ignore_config_error',
        '',
      ].join('\n'),
    },
  ])
  t.strictSame(folders, [
    { path: '/home/.temporary', mode: 0o711 },
    { path: '/home/.temporary/tmp', mode: 0 },
    { path: '/home/.temporary/var-tmp', mode: 0 },
    { path: '/home/.temporary/shm', mode: 0 },
  ])
  t.match(temporaryPolicy, /^(\(allow crond_t [a-z_]+ \(dir \([a-z ]+\)\)\)\n)+$/)
})

void t.test('renderTemporary() refuses groups and folders that a line of the files cannot contain', async (t) => {
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
    t.throws(() => renderTemporary({ ...wanted, ...wrong }), { code: 'QUOTA_INVALID' }, JSON.stringify(wrong))
  fc.assert(
    fc.property(fc.string(), fc.string(), (group, below) => {
      try {
        const [conf, profile] = renderTemporary({ group, below }).files
        return conf?.text.split('\n').length === 4 && profile?.text.split('\n').length === 8
      } catch (error) {
        return error instanceof QuotaError && error.code === 'QUOTA_INVALID'
      }
    }),
  )
})
