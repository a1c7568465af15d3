import fc from 'fast-check'
import t from 'tap'
import { isInside, isLoopback, parseNetwork, withoutNested } from '../src/address.ts'
import { FirewallError } from '../src/errors.ts'

const good: readonly (readonly [text: string, family: string, address: string, length?: number])[] = [
  ['1.2.3.4', 'ipv4', '1.2.3.4'],
  ['1.2.3.4/32', 'ipv4', '1.2.3.4'],
  ['169.254.7.9/16', 'ipv4', '169.254.0.0', 16],
  ['10.129.0.0/9', 'ipv4', '10.128.0.0', 9],
  ['FD00:EC2:0::254', 'ipv6', 'fd00:ec2::254'],
  ['fe80::1:2/10', 'ipv6', 'fe80::', 10],
  ['2001:db8:1:ffff::/49', 'ipv6', '2001:db8:1:8000::', 49],
]
for (const [text, family, address, length] of good) {
  void t.test(`parseNetwork() accepts ${text}`, async (t) => {
    t.strictSame(parseNetwork(text), length === undefined ? { family, address } : { family, address, length })
  })
}

for (const text of [
  '',
  '1.2.3',
  '1.2.3.4/33',
  '1.2.3.4/0',
  '1.2.3.4/8/8',
  '::/129',
  'fe80::1%eth0',
  'a.example',
  '1.2.3.4/x',
]) {
  void t.test(`parseNetwork() refuses ${JSON.stringify(text)}`, async (t) => {
    t.throws(() => parseNetwork(text), { code: 'FIREWALL_INVALID' })
  })
}

void t.test('parseNetwork() throws only FirewallError', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4Extended(), fc.ipV6()), (text) => {
      try {
        parseNetwork(text)
      } catch (error) {
        if (!(error instanceof FirewallError)) throw error
      }
    }),
  )
})

void t.test('withoutNested() removes networks that another one contains', async (t) => {
  const networks = ['169.254.169.254', '169.254.0.0/16', 'fd00::1', '169.254.0.0/16'].map((text) => parseNetwork(text))
  t.strictSame(
    withoutNested(networks).map(({ address }) => address),
    ['169.254.0.0', 'fd00::1'],
  )
})

void t.test('isInside() and isLoopback() support IPv4 and IPv6', async (t) => {
  t.ok(isInside([parseNetwork('fd00::/8')], 'fd12::1'))
  t.notOk(isInside([parseNetwork('fd00::/8')], '10.0.0.1'))
  t.ok(isLoopback('127.0.0.53'))
  t.ok(isLoopback('::1'))
  t.notOk(isLoopback('10.0.0.1'))
})
