import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { createFakeNft } from '../src/fake.ts'
import { openFirewall } from '../src/index.ts'
import { firewallConforms } from './support/conformance.ts'
import { settings } from './support/settings.ts'

const open = (version?: string) => {
  const nft = createFakeNft(version === undefined ? {} : { version })
  const host = createFakeHost({ programs: { '/usr/sbin/nft': nft.program } })
  return { nft, host }
}

void t.test('createFakeNft() passes the conformance suite', async (t) => {
  const { nft, host } = open()
  const tables = async () => {
    const { stdout } = await host.run(['/usr/sbin/nft', '-j', 'list', 'tables', 'inet'], { touches: 'nothing' })
    return [...stdout.matchAll(/"table":\{"family":"inet","name":"([^"]+)"/g)].map(([, name = '']) => name)
  }
  await firewallConforms(t, {
    open: (table) => openFirewall(host, table === undefined ? {} : { table }),
    meddle: async (...commands) => nft.run(...commands),
    flushRuleset: async () => nft.flushRuleset(),
    tables,
  })
})

void t.test('createFakeNft() lists the counter that count() sets', async (t) => {
  const { nft, host } = open()
  const firewall = openFirewall(host)
  await firewall.ensure(settings)
  nft.count('puppy', 'sent', 10_001, { packets: 2, bytes: 3000 })
  t.match((await firewall.traffic())[1], { uid: 10_001, sentBytes: 3000, sentPackets: 2, receivedBytes: 0 })
})

void t.test('probe() reports why nft does not work', async (t) => {
  t.match(await openFirewall(open('1.0.0').host).probe(), { works: false, error: { code: 'FIREWALL_TOO_OLD' } })
  const bare = createFakeHost()
  t.match(await openFirewall(bare).probe(), { works: false, error: { code: 'FIREWALL_NOT_INSTALLED' } })
  const denied = createFakeHost({
    programs: {
      '/usr/sbin/nft': ({ args: [first] }) =>
        first === '--version'
          ? { stdout: 'nftables v1.1.3 (Commodore Bullmoose #4)\n' }
          : { exitCode: 1, stderr: 'Error: Could not process rule: Operation not permitted' },
    },
  })
  t.match(await openFirewall(denied).probe(), { works: false, error: { code: 'FIREWALL_REFUSED' } })
})

void t.test('probe() warns about settings that stop rules or counters from working', async (t) => {
  const files = { '/proc/sys/net/ipv4/tcp_syncookies': '2\n', '/proc/sys/net/ipv4/ip_early_demux': '0\n' }
  const host = createFakeHost({ files, programs: { '/usr/sbin/nft': createFakeNft().program } })
  t.equal((await openFirewall(host).probe()).warnings.length, 2)
})

void t.test('probe() warns about modules with which tenants can send packets without a uid', async (t) => {
  const warningsOf = async (protocols: string) => {
    const files = { '/proc/net/protocols': `protocol  size sockets  memory press\n${protocols}` }
    const host = createFakeHost({ files, programs: { '/usr/sbin/nft': createFakeNft().program } })
    return (await openFirewall(host).probe()).warnings
  }
  t.strictSame(await warningsOf('TCP       2304      4     433   no\nMPTCP 1936 0 433 no\n'), [])
  const [warning, ...more] = await warningsOf('SMC 1 0 -1 NI\nSMC6 1 0 -1 NI\nRXRPC 1 0 -1 NI\n')
  t.strictSame(more, [])
  t.match(warning, /^the kernel module smc and rxrpc is loaded, .*"install smc \/bin\/false" and "install rxrpc/)
})
