import t from 'tap'
import { pamPolicy, pamProfilePath, renderPamProfile } from '../src/pam.ts'

void t.test('renderPamProfile() renders a profile for the members of one group', async (t) => {
  t.equal(
    renderPamProfile({ group: 'staff', title: 'Staff' }),
    'Name: Staff\nDefault: yes\nPriority: 0\nSession-Type: Additional\nSession:\n' +
      '\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup staff\n\toptional pam_systemd.so\n',
  )
  t.match(renderPamProfile(), /ingroup puppy-tenants\n/)
  t.equal(pamProfilePath, '/usr/share/pam-configs/puppy-cgroups')
  t.match(pamPolicy, /^((\(optional [a-z_]+ )?\(allow systemd_logind_t [a-z]+_t \([a-z_]+ \([a-z ]+\)\)\)\)?\n)+$/)
  for (const group of ['', 'a b', 'a\nb', '-a', 'A']) t.throws(() => renderPamProfile({ group }), RangeError)
  t.throws(() => renderPamProfile({ title: 'a\nb' }), RangeError)
})
