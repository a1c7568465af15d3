import t from 'tap'
import { temporaryFolder, viewProfile } from '../../src/sessions/view-profile.ts'

void t.test('viewProfile() calls pam_namespace in every session, with folders below the homes', async (t) => {
  const layout = { homes: '/srv/homes', group: 'some-group' }
  const { module, stacks, folders, files, policyModule } = viewProfile(layout)
  t.equal(module, 'pam_namespace.so')
  t.strictSame(stacks, ['/etc/pam.d/common-session', '/etc/pam.d/common-session-noninteractive'])
  t.equal(folders[0]?.path, temporaryFolder(layout))
  t.match(files.at(-1)?.text, /ingroup some-group\n\toptional pam_namespace\.so/)
  t.match(policyModule, { name: 'puppy_view', text: /sshd_t/ })
})
