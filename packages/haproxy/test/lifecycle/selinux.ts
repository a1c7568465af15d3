import { createHost } from '@puppy/host'
import t from 'tap'
import { planContexts, readPolicy } from '../../src/lifecycle/selinux.ts'
import { range, testContext, testFolder } from '../support/proxy.ts'

const policy = {
  configuration: 'system_u:object_r:haproxy_conf_t:s0',
  runtime: 'system_u:object_r:haproxy_runtime_t:s0',
  booleans: ['haproxy_connect_all_tcp_ports', 'haproxy_bind_all_tcp_ports'],
  programs: { chcon: '/usr/bin/chcon', setsebool: '/usr/sbin/setsebool' },
}
const settings = { folder: '/f', runFolder: '/r', connectionsPerTenant: 9, ...range }

void t.test('planContexts() sets the contexts of both folders and allows HAProxy to connect to tenants', async (t) => {
  t.strictSame(planContexts(policy, { ...settings, listen: [':80', ':443'] }), [
    ['/usr/bin/chcon', '-R', '--', 'system_u:object_r:haproxy_conf_t:s0', '/f'],
    ['/usr/bin/chcon', '-R', '--', 'system_u:object_r:haproxy_runtime_t:s0', '/r'],
    ['/usr/sbin/setsebool', 'haproxy_connect_all_tcp_ports=on'],
  ])
})

void t.test('planContexts() allows HAProxy to bind other ports only when the settings have such a port', async (t) => {
  const [, , switches] = planContexts(policy, { ...settings, listen: ['127.0.0.1:8080'] })
  t.strictSame(switches?.slice(1), ['haproxy_connect_all_tcp_ports=on', 'haproxy_bind_all_tcp_ports=on'])
})

void t.test('planContexts() sets only booleans that the policy has', async (t) => {
  const fedora = { ...policy, booleans: ['haproxy_connect_any'] }
  t.strictSame(
    planContexts(fedora, { ...settings, listen: [':8080'] })
      .at(-1)
      ?.slice(1),
    ['haproxy_connect_any=on'],
  )
  t.equal(planContexts({ ...policy, booleans: [] }, { ...settings, listen: [':80'] }).length, 2)
})

void t.test('readPolicy() returns undefined on a host that is only a folder', async (t) => {
  const host = createHost({ root: testFolder(t) })
  t.equal(await readPolicy(testContext(host, { ...settings, listen: [':80'] })), undefined)
})
