import { createHost } from '@puppy/host'
import { runReadme } from '@puppy/host/testing'
import t from 'tap'
import { openPolicy } from '../../../src/index.ts'
import { noLibrary, noStore } from '../../support/mini.ts'
import { whyNot } from '../../support/tenants.ts'

t.setTimeout(1_800_000)

const host = createHost()
const skip =
  (await whyNot(host)) ||
  noStore ||
  noLibrary ||
  (process.env['TESTBED_GUEST'] === undefined && 'it changes the policy of the machine: only in a disposable host')

void t.test('the program of the README loads modules, and labels the home of a tenant', { skip }, async (t) => {
  const run = (...command: [string, ...string[]]) => host.run(command, { touches: 'machine', timeout: 120_000 })
  await run('/usr/sbin/useradd', '-m', '-u', '10000', 'p10000')
  t.teardown(() => run('/usr/sbin/userdel', '-r', 'p10000'))
  t.teardown(() =>
    openPolicy(host).ensure({
      remove: ['my_port', 'puppy_tenants', 'puppy_slots'],
      booleans: { httpd_can_network_connect: 'default' },
      dontaudit: 'silent',
    }),
  )
  const ended = await runReadme(t, 'selinux', {}, 1_200_000)
  t.match(ended, { code: 0, output: /^changed / }, ended.output)
  t.match((await run('/usr/bin/ls', '-Zd', '/home/p10000')).stdout, /^puppy_u:object_r:user_home_dir_t:s0:c\d+,c\d+ /)
})
