import t from 'tap'
import { cgroupProfile } from '../../src/sessions/cgroup-profile.ts'

void t.test('cgroupProfile() calls pam_systemd in sessions that are not interactive', async (t) => {
  const { module, stacks, files, policyModule } = cgroupProfile('some-group')
  t.strictSame([module, stacks], ['pam_systemd.so', ['/etc/pam.d/common-session-noninteractive']])
  t.match(files.at(-1)?.text, /ingroup some-group\n\toptional pam_systemd\.so/)
  t.match(policyModule, { name: 'puppy_cgroups', text: /systemd_logind_t crond_t/ })
})
