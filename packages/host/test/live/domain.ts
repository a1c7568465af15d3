import { existsSync } from 'node:fs'
import t from 'tap'
import { createHost, runInOurDomain } from '../../src/index.ts'

const host = createHost()
const semanage = host.program('semanage')
const skip: string | false =
  process.getuid?.() !== 0
    ? 'it needs root'
    : !existsSync('/sys/fs/selinux/enforce')
      ? 'SELinux is off'
      : semanage === undefined && 'semanage is not installed'

void t.test('inOurDomain() makes the output of a policy tool readable', { skip }, async (t) => {
  const list = [semanage ?? '', 'port', '-l'] as const
  const { stdout } = await runInOurDomain(host, list, { touches: 'nothing', timeout: 60_000 })
  t.match(stdout, /^ssh_port_t\s+tcp\s+22$/m)
})
