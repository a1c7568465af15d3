import { existsSync } from 'node:fs'
import t from 'tap'
import { createHost, inOurDomain } from '../../src/index.ts'

const host = createHost()
const semanage = host.program('semanage')
const skip: string | false =
  process.getuid?.() !== 0
    ? 'it needs root'
    : !existsSync('/sys/fs/selinux/enforce')
      ? 'SELinux is off'
      : semanage === undefined && 'semanage is not installed'

void t.test('a tool of the policy is heard in our own domain', { skip }, async (t) => {
  const command = await inOurDomain(host, [semanage ?? '', 'port', '-l'])
  const { stdout } = await host.run(command, { touches: 'nothing', timeout: 60_000 })
  t.match(stdout, /^ssh_port_t\s+tcp\s+22$/m)
})
