import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { renderTmpfiles, runTmpfiles } from '../../src/pool/tmpfiles.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const slot = slotAt(defaultLayout, 0)

void t.test('renderTmpfiles() renders a home and copies of the skeleton', (t) => {
  t.equal(
    renderTmpfiles(slot, ['.profile']),
    'd /home/p10000 0700 10000 10000 - -\nC /home/p10000/.profile - 10000 10000 - /etc/skel/.profile\n',
  )
  t.end()
})

void t.test('runTmpfiles() applies the other lines when one fails', { skip: whyNot('systemd-tmpfiles') }, async (t) => {
  const { host } = scratch(t, 1, { file: '' })
  const complaint = await runTmpfiles(host, `d /etc/file/below 0700 0 0 - -\n${renderTmpfiles(slot, ['.profile'])}`, {})
  t.match(complaint, /file/)
  t.match(await host.status('/home/p10000'), { kind: 'folder', mode: 0o700, uid: 10_000, gid: 10_000 })
  t.match(await host.status('/home/p10000/.profile'), { kind: 'file', uid: 10_000, gid: 10_000 })
})

void t.test('runTmpfiles() throws when the tool is missing', async (t) => {
  await t.rejects(runTmpfiles(createFakeHost(), '', {}), { code: 'ACCOUNT_PROGRAM_MISSING' })
})
