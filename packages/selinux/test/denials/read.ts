import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { denialsOf, readDenials } from '../../src/denials/read.ts'
import { lines } from '../support/denials.ts'

void t.test('readDenials() returns only the denials of the SELinux user', async (t) => {
  const files = { '/var/log/audit/audit.log': '' }
  const host = createFakeHost({ files, programs: { '/bin/tail': () => ({ stdout: lines.join('\n') }) } })
  t.equal((await readDenials(host)).length, 3)
  t.equal((await readDenials(host, { user: 'unconfined_u' })).length, 1)
  t.equal(denialsOf(['', 'x', ...lines], 'puppy_u').length, 3)
})

void t.test('readDenials() reads the kernel log when the audit log does not exist', async (t) => {
  const kernel = lines.map((line) => line.replace('type=AVC msg=', '[    1.000000] audit: type=1400 '))
  const host = createFakeHost({ programs: { '/bin/dmesg': () => ({ stdout: kernel.join('\n') }) } })
  t.equal((await readDenials(host)).length, 3)
  await t.rejects(readDenials(createFakeHost()), { code: 'SELINUX_NOT_INSTALLED', message: /util-linux/ })
})
