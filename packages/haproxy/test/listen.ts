import { freePort } from '@puppy/host/testing'
import fc from 'fast-check'
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isIPv4, isIPv6 } from 'node:net'
import t, { type Test } from 'tap'
import { findClash, parseListen, renderListen } from '../src/listen.ts'
import { skip, testFolder } from './support/proxy.ts'

const noIpv6 = existsSync('/proc/net/if_inet6') ? false : 'this machine has no IPv6'

const addresses: [text: string, ipv6: boolean, rendered: string | undefined][] = [
  [':80', true, ':::80 v4v6'],
  [':80', false, ':80'],
  ['127.0.0.1:8080', true, '127.0.0.1:8080'],
  ['0.0.0.0:80', true, '0.0.0.0:80'],
  ['[::1]:8080', true, '[::1]:8080'],
  ['[::]:80', true, '[::]:80 v6only'],
  ['[0:0::0]:80', true, '[0:0::0]:80 v6only'],
  ['80', true, undefined],
  [':0', true, undefined],
  [':65536', true, undefined],
  ['localhost:80', true, undefined],
  ['1.2.3:80', true, undefined],
  ['::1:80', true, undefined],
  ['[1.2.3.4]:80', true, undefined],
  [':80 ssl', true, undefined],
  [':80\nuser root', true, undefined],
  ['*:80', true, undefined],
]
for (const [text, ipv6, rendered] of addresses) {
  void t.test(`parseListen() of ${JSON.stringify(text)}, rendered ${ipv6 ? 'with' : 'without'} IPv6`, async (t) => {
    const parsed = parseListen(text)
    t.equal(parsed === undefined ? undefined : renderListen(parsed, ipv6), rendered)
  })
}

void t.test('parseListen() refuses any text that could add words to a bind line', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const parsed = parseListen(text)
      if (parsed !== undefined) t.match(renderListen(parsed, true), /^[0-9a-fA-F.:[\]]+( v4v6| v6only)?$/)
    }),
  )
})

void t.test('parseListen() accepts the addresses that Node accepts', async (t) => {
  const four = fc.array(fc.constantFrom('0', '1', '01', '25', '255', '256', '.', '.'), { maxLength: 9 })
  const six = fc.array(fc.constantFrom('0', 'f', 'ffff', '10000', ':', '::', '1.2.3.4', '1.2.3.400', '.'), {
    maxLength: 12,
  })
  fc.assert(
    fc.property(four, six, (one, other) => {
      const [ipv4, ipv6] = [one.join(''), other.join('')]
      if (ipv4 !== '') t.equal(parseListen(`${ipv4}:80`) !== undefined, isIPv4(ipv4), ipv4)
      t.equal(parseListen(`[${ipv6}]:80`) !== undefined, isIPv6(ipv6), ipv6)
    }),
    { numRuns: 2000 },
  )
})

const hosts = [
  '',
  '0.0.0.0',
  '127.0.0.1',
  '127.0.0.2',
  '[::]',
  '[0:0::0]',
  '[::1]',
  '[0:0::1]',
  '[::ffff:127.0.0.1]',
  '[::FFFF:7f00:2]',
  '[::ffff:0.0.0.0]',
]

void t.test('findClash() agrees with HAProxy about every pair of addresses', { skip: skip || noIpv6 }, async (t) => {
  for (const [n, one] of hosts.entries())
    for (const other of hosts.slice(n)) {
      const port = await freePort()
      const addresses = [`${one}:${port}`, `${other}:${port}`]
      t.equal(findClash(addresses) === undefined, await canListen(t, addresses), addresses.join(' and '))
    }
})

void t.test('findClash() names the first two addresses', async (t) => {
  t.strictSame(findClash(['127.0.0.1:80', ':81', 'x', '127.0.0.1:81', ':80']), ['127.0.0.1:80', ':80'])
  t.equal(findClash([':80', ':81', '[::1]:82']), undefined)
  t.equal(findClash([]), undefined)
})

/** Starts a HAProxy with these addresses. Returns whether it could listen on all of them. */
async function canListen(t: Test, addresses: readonly string[]): Promise<boolean> {
  const folder = testFolder(t)
  const binds = addresses.map((text) => `  bind ${renderListen(parseListen(text)!, true)}\n`)
  const timeouts = ['connect', 'client', 'server'].map((name) => `  timeout ${name} 1s\n`)
  writeFileSync(
    `${folder}/c`,
    `global\n  noreuseport\ndefaults\n  mode http\n${timeouts.join('')}frontend f\n${binds.join('')}`,
  )
  const child = spawn('haproxy', ['-W', '-db', '-f', `${folder}/c`], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  for (let turn = 0; turn < 200 && !/Loading success|Address already in use/.test(said); turn++) await sleep(25)
  child.kill()
  await ended
  if (!/Loading success|Address already in use/.test(said)) throw new Error(said)
  return said.includes('Loading success')
}
