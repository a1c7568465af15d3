import t from 'tap'
import { inOurDomain } from '../src/domain.ts'
import { createFakeHost } from '../src/fake.ts'

const semanage = ['/usr/sbin/semanage', 'port', '-l'] as const
const selinux = { '/sys/fs/selinux/enforce': '1' }
const domain = 'unconfined_u:unconfined_r:unconfined_t:s0'
const programs = (exitCode: number) => ({
  '/usr/bin/id': () => ({ stdout: `${domain}\n` }),
  '/usr/bin/runcon': () => ({ exitCode }),
})

void t.test('inOurDomain() puts the domain that programs of ours have before a command', async (t) => {
  const host = createFakeHost({ files: selinux, programs: programs(2) })
  t.strictSame(await inOurDomain(host, semanage), ['/usr/bin/runcon', domain, ...semanage])
})

void t.test(
  'inOurDomain() leaves a command alone where there is no SELinux, no runcon, or no leave to do so',
  async (t) => {
    for (const host of [
      createFakeHost({ programs: programs(0) }),
      createFakeHost({ files: selinux }),
      createFakeHost({ files: selinux, programs: programs(126) }),
      createFakeHost({ files: selinux, programs: programs(0), live: false }),
    ]) {
      t.strictSame(await inOurDomain(host, semanage), semanage)
    }
  },
)
