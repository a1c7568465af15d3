import t from 'tap'
import { inOurDomain } from '../src/domain.ts'
import { createFakeHost } from '../src/fake/index.ts'

const semanage = ['/usr/sbin/semanage', 'port', '-l'] as const
const domain = 'unconfined_u:unconfined_r:unconfined_t:s0'
const programs = (exitCode: number, stdout = `${domain}\n`) => ({
  '/usr/bin/id': () => (stdout === '' ? { exitCode: 1 } : { stdout }),
  '/usr/bin/runcon': () => ({ exitCode }),
})

void t.test('inOurDomain() puts the domain that programs of ours have before a command', async (t) => {
  for (const live of [true, false]) {
    const host = createFakeHost({ programs: programs(2), live })
    t.strictSame(await inOurDomain(host, semanage), ['/usr/bin/runcon', domain, ...semanage])
  }
})

void t.test(
  'inOurDomain() leaves a command alone where there is no SELinux, no runcon, or no leave to do so',
  async (t) => {
    for (const host of [
      createFakeHost({ programs: programs(0, '') }),
      createFakeHost(),
      createFakeHost({ programs: programs(126) }),
    ]) {
      t.strictSame(await inOurDomain(host, semanage), semanage)
    }
  },
)
