import t from 'tap'
import { inOurDomain, runInOurDomain } from '../src/domain.ts'
import { createFakeHost } from '../src/fake/index.ts'

const semanage = ['/usr/sbin/semanage', 'port', '-l'] as const
const domain = 'unconfined_u:unconfined_r:unconfined_t:s0'
const programs = (exitCode: number, stdout = `${domain}\n`) => ({
  '/usr/bin/id': () => (stdout === '' ? { exitCode: 1 } : { stdout }),
  '/usr/bin/runcon': () => ({ exitCode }),
})

void t.test('inOurDomain() adds the domain of our programs to a command', async (t) => {
  for (const live of [true, false]) {
    const host = createFakeHost({ programs: programs(2), live })
    t.strictSame(await inOurDomain(host, semanage), ['/usr/bin/runcon', domain, ...semanage])
  }
})

void t.test('inOurDomain() returns the command unchanged without SELinux, runcon or permission', async (t) => {
  for (const host of [
    createFakeHost({ programs: programs(0, '') }),
    createFakeHost(),
    createFakeHost({ programs: programs(126) }),
  ]) {
    t.strictSame(await inOurDomain(host, semanage), semanage)
  }
})

void t.test(
  'runInOurDomain() runs a command once, and again without the domain if that is not permitted',
  async (t) => {
    const asked = ['/usr/bin/id', '-Z']
    const there = ['/usr/bin/runcon', domain, ...semanage]
    const tool = { '/usr/sbin/semanage': () => ({ stdout: 'plain' }) }
    const cases = [
      [{ ...programs(0), '/usr/bin/runcon': () => ({ stdout: 'there' }) }, [asked, there], 'there'],
      [{ ...programs(126), ...tool }, [asked, there, semanage], 'plain'],
      [{ ...programs(0, ''), ...tool }, [asked, semanage], 'plain'],
      [tool, [semanage], 'plain'],
    ] as const
    for (const [known, commands, stdout] of cases) {
      const host = createFakeHost({ programs: known })
      t.equal((await runInOurDomain(host, semanage, { touches: 'nothing' })).stdout, stdout)
      t.strictSame(host.commands, commands)
    }
    const failing = createFakeHost({ programs: programs(1) })
    await t.rejects(runInOurDomain(failing, semanage, { touches: 'nothing' }), { code: 'HOST_PROGRAM_FAILED' })
    t.equal((await runInOurDomain(failing, semanage, { touches: 'nothing', accept: [1] })).exitCode, 1)
  },
)
