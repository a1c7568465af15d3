import t from 'tap'
import { isGroupName, pamProfilePath, renderPamProfile } from '../src/pam-profile.ts'

void t.test('renderPamProfile() renders a module for the members of a group', async (t) => {
  const profile = renderPamProfile({ group: 'tenants', title: 'Slices for tenants', module: 'pam_systemd.so' })
  t.equal(
    profile,
    [
      'Name: Slices for tenants',
      'Default: yes',
      'Priority: 0',
      'Session-Type: Additional',
      'Session:',
      '\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup tenants',
      '\toptional pam_systemd.so',
      '',
    ].join('\n'),
  )
  const module = 'pam_namespace.so ignore_config_error'
  t.ok(renderPamProfile({ group: 'a', title: 'b', module }).endsWith(`\toptional ${module}\n`))
})

void t.test('renderPamProfile() refuses values that a PAM configuration cannot contain', async (t) => {
  const plain = { group: 'tenants', title: 'Slices', module: 'pam_systemd.so' }
  for (const group of ['', 'a b', 'a\n', 'a\r', 'A', '-a', 'a]', 'ä', 'a'.repeat(33)])
    t.throws(() => renderPamProfile({ ...plain, group }), RangeError, encodeURIComponent(group))
  for (const title of ['', 'a\nDefault: no', 'a\r', 'a\0', 'ä', 'a'.repeat(101)])
    t.throws(() => renderPamProfile({ ...plain, title }), RangeError, encodeURIComponent(title))
  for (const module of [
    '',
    'systemd',
    'pam_a.so\n',
    'pam_a.so  b',
    'pam_a.so #',
    '/x/pam_a.so',
    'pam_a.so [x]',
    'pam_a.so ',
  ])
    t.throws(() => renderPamProfile({ ...plain, module }), RangeError, encodeURIComponent(module))
})

void t.test('pamProfilePath() returns a path in the folder of pam-auth-update(8)', async (t) => {
  t.equal(pamProfilePath('puppy-cgroups'), '/usr/share/pam-configs/puppy-cgroups')
  for (const name of ['', '../x', 'a/b', 'a\n', '.x']) t.throws(() => pamProfilePath(name), RangeError)
})

void t.test('isGroupName() accepts the names that every distribution accepts', async (t) => {
  for (const name of ['a', '_a', 'puppy-tenants', 'a'.repeat(32)]) t.equal(isGroupName(name), true, name)
  for (const name of ['', '1', 'a$', 'a.b', 'a'.repeat(33)]) t.equal(isGroupName(name), false, name)
})
