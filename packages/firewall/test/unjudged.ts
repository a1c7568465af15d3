/** Packets without a uid, with real nft and sockets of the kernel itself. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost } from '@puppy/host'
import { firstOutput } from '@puppy/host/testing'
import t, { type Test } from 'tap'
import { cannotRun, createLab, joinLabs, type Lab } from './support/lab.ts'
import { alice, api, bob, proxy, settings } from './support/settings.ts'

const script = fileURLToPath(new URL('support/sockets.py', import.meta.url))
const python = createHost().program('python3')
const skip = cannotRun || (python === undefined && 'python3 is not installed')
/** The kernel opens further subflows of an MPTCP connection by sockets without a file, as SMC does for each connection. */
const skipMptcp = skip || (!existsSync('/proc/sys/net/mptcp/enabled') && 'this kernel has no MPTCP')

type Role = 'serve' | 'leave' | 'connect' | 'read'

/** Starts a program with a socket, and returns the first line that it prints. It ends with the test at the latest. */
async function start(t: Test, lab: Lab, role: Role, protocol: 'tcp' | 'mptcp', uid: number, at: string, port: number) {
  const words = ['netns', 'exec', lab.netns, python ?? '', script, role, protocol, String(uid), at, String(port)]
  const child = spawn(createHost().program('ip') ?? 'ip', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  return (await firstOutput(child)).trim()
}

/** Returns how many further subflows servers in this namespace were asked for. */
async function subflowsAsked(lab: Lab): Promise<number> {
  const text = await lab.inside('nstat', '-asz', 'MPTcpExtMPJoinSynRx')
  return Number(/MPJoinSynRx\s+(\d+)/.exec(text)?.[1] ?? Number.NaN)
}

void t.test('a connection without a uid does not reach the port of a slot', { skip: skipMptcp }, async (t) => {
  const lab = await createLab(t)
  await lab.ip('mptcp', 'limits', 'set', 'subflow', '2', 'add_addr_accepted', '2')
  await lab.ip('mptcp', 'endpoint', 'add', '127.0.0.2', 'dev', 'lo', 'subflow')
  t.equal(await start(t, lab, 'serve', 'mptcp', alice, '127.0.0.1', 10_240), 'listening')
  const visit = () => start(t, lab, 'connect', 'mptcp', alice, '127.0.0.1', 10_240)
  t.equal(await visit(), `answered by ${alice}`)
  await sleep(300)
  const before = await subflowsAsked(lab)
  t.ok(before > 0, 'without the table: the kernel opens a connection without a uid')

  await lab.firewall.ensure(settings)
  t.equal(await visit(), `answered by ${alice}`, 'the connection of the owner')
  await sleep(300)
  t.equal(await subflowsAsked(lab), before, 'the connection without a uid is refused')
  t.equal(await start(t, lab, 'connect', 'mptcp', bob, '127.0.0.1', 10_240), 'Connection refused', 'another tenant')

  await lab.nftScript(
    'flush chain inet puppy reach; add rule inet puppy reach meta skuid != { 0, 990, 10000 } reject with tcp reset',
  )
  t.equal(await visit(), `answered by ${alice}`)
  await sleep(300)
  t.ok((await subflowsAsked(lab)) > before, 'without the last rules, it passes')
})

void t.test('a socket of MPTCP has its owner’s uid', { skip: skipMptcp }, async (t) => {
  const lab = await createLab(t)
  await lab.firewall.ensure(settings)
  await start(t, lab, 'serve', 'mptcp', bob, '127.0.0.1', 10_240)
  const result = await start(t, lab, 'connect', 'tcp', proxy, '127.0.0.1', 10_240)
  t.equal(result, 'timeout', 'the proxy to a squatter')
})

void t.test('a connection without a uid does not reach cloud metadata', { skip: skipMptcp }, async (t) => {
  const [lab, there] = [await createLab(t), await createLab(t)]
  await joinLabs(lab, there)
  await lab.ip('addr', 'add', '10.77.0.11/24', 'dev', 'wan')
  for (const one of [lab, there]) await one.ip('mptcp', 'limits', 'set', 'subflow', '2', 'add_addr_accepted', '2')
  await lab.ip('mptcp', 'endpoint', 'add', '10.77.0.11', 'dev', 'wan', 'subflow')
  for (const address of ['169.254.169.254', '10.77.0.2'])
    t.equal(await start(t, there, 'serve', 'mptcp', 0, address, 80), 'listening')
  const visit = async (address: string) => {
    const before = await subflowsAsked(there)
    t.equal(await start(t, lab, 'connect', 'mptcp', 0, address, 80), 'answered by 0', `root to ${address}`)
    await sleep(300)
    return (await subflowsAsked(there)) - before
  }
  t.ok((await visit('169.254.169.254')) > 0, 'without the table: a connection without a uid')
  await lab.firewall.ensure(settings)
  t.equal(await visit('169.254.169.254'), 0, 'to metadata')
  t.ok((await visit('10.77.0.2')) > 0, 'to another address: it may be the kernel’s own')
})

void t.test('the last packets of a socket that was closed pass', { skip }, async (t) => {
  const [lab, there] = [await createLab(t), await createLab(t)]
  await joinLabs(lab, there)
  await lab.firewall.ensure(settings)
  await start(t, lab, 'leave', 'tcp', alice, '127.0.0.1', 10_240)
  await start(t, lab, 'leave', 'tcp', api, '0.0.0.0', 8420)
  await start(t, there, 'leave', 'tcp', 0, '0.0.0.0', 80)
  const all = `${1024 * 1024} bytes`
  t.equal(await start(t, lab, 'read', 'tcp', proxy, '127.0.0.1', 10_240), all, 'from the port of a slot')
  t.equal(await start(t, lab, 'read', 'tcp', bob, '127.0.0.1', 8420), all, 'from a guarded port')
  t.equal(await start(t, there, 'read', 'tcp', 0, '10.77.0.1', 8420), all, 'from a guarded port to another host')
  t.equal(await start(t, lab, 'read', 'tcp', bob, '10.77.0.2', 80), all, 'from another host')
})

void t.test('a datagram without a uid does not leave from the port of a slot', { skip }, async (t) => {
  const [lab, there] = [await createLab(t), await createLab(t)]
  await joinLabs(lab, there)
  const server = await there.actor(0)
  t.equal(await server.serve('10.77.0.2', 4789, { udp: true }), 'listening')
  /** Sends datagrams by a tunnel, whose socket belongs to the kernel. */
  const tunnel = async (name: string, port: number) => {
    const words = ['type', 'vxlan', 'id', '7', 'remote', '10.77.0.2', 'dstport', '4789']
    await lab.ip('link', 'add', name, ...words, 'srcport', String(port), String(port + 1))
    await lab.ip('addr', 'add', '10.78.0.1/24', 'dev', name)
    await lab.ip('link', 'set', name, 'up')
    await lab.ip('neigh', 'add', '10.78.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', name)
    const before = await server.heard()
    await (await lab.actor(0)).connect('10.78.0.2', 9, { udp: true, wait: 300 })
    await lab.ip('link', 'del', name)
    return (await server.heard()) - before
  }
  t.ok((await tunnel('first', 10_240)) > 0, 'without the table')
  await lab.firewall.ensure(settings)
  t.equal(await tunnel('second', 10_240), 0, 'from the port of a slot')
  t.ok((await tunnel('third', 40_000)) > 0, 'from any other port')
})
