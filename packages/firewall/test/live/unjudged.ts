/**
 * Packets of AF_SMC and AF_RXRPC, which have no uid, in a network namespace. Debian's kernel loads these modules for any user who opens such
 * a socket. Nothing of the host is changed, except that the modules may stay loaded while they are in use.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'
import { createHost } from '@puppy/host'
import t, { type Test } from 'tap'
import { cannotRun, createLab, joinLabs, type Lab } from '../support/lab.ts'
import { alice, bob, proxy, settings } from '../support/settings.ts'

t.setTimeout(600_000)

const script = fileURLToPath(new URL('../support/kernel-sockets.py', import.meta.url))
const python = createHost().program('python3')

/** The modules that the tests load. They are unloaded, because `probe` warns while they are there. */
const loaded = (): readonly string[] => readFileSync('/proc/modules', 'utf8').match(/^(smc|rxrpc) /gm) ?? []
const before = cannotRun === false ? loaded() : []
t.teardown(() => {
  if (cannotRun !== false) return
  for (const name of loaded().filter((one) => !before.includes(one)))
    spawnSync('modprobe', ['--remove', name.trim()], { stdio: 'ignore' })
})

/** Returns why a family of sockets cannot be tested here. False when it can. */
function lacks(family: 'smc' | 'rxrpc'): string | false {
  if (cannotRun !== false) return cannotRun
  if (python === undefined) return 'python3 is not installed'
  const open = { smc: 'socket(43, 1, 0)', rxrpc: 'socket(33, 2, 2)' }[family]
  try {
    execFileSync(python, ['-c', `import socket; socket.${open}`], { stdio: 'ignore' })
    return false
  } catch {
    return `this kernel has no ${family}`
  }
}

type Role = 'smc-connect' | 'smc-serve' | 'rxrpc-send' | 'rxrpc-bind'

/** Starts a program with such a socket. Returns a function that returns the next line that it prints, or `ended`. */
function start(t: Test, lab: Lab, role: Role, uid: number, address: string, port: number): () => Promise<string> {
  const words = ['netns', 'exec', lab.netns, python ?? '', script, role, String(uid), address, String(port)]
  const child = spawn(createHost().program('ip') ?? 'ip', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async () => {
    const { value, done } = await lines.next()
    return done === true ? 'ended' : value
  }
}

void t.test('AF_SMC reaches no port of another tenant', { skip: lacks('smc') }, async (t) => {
  const lab = await createLab(t)
  await (await lab.actor(alice)).serve('127.0.0.1', 10_240)
  const visit = (uid: number) => start(t, lab, 'smc-connect', uid, '127.0.0.1', 10_240)()
  t.equal(await visit(bob), `answered by ${alice}`, 'without the table')
  await lab.firewall.ensure(settings)
  t.equal(await visit(bob), 'connect: Connection refused')
  t.equal(await visit(alice), 'connect: Connection refused', 'the kernel does not know that it is the owner')
  t.equal(await (await lab.actor(proxy)).connect('127.0.0.1', 10_240), `answered by ${alice}`, 'TCP works')
})

void t.test('AF_SMC answers no visitor on the port of another tenant', { skip: lacks('smc') }, async (t) => {
  const lab = await createLab(t)
  await lab.firewall.ensure(settings)
  const next = start(t, lab, 'smc-serve', bob, '127.0.0.1', 10_240)
  t.equal(await next(), 'listening', 'a squatter can listen')
  t.equal(await (await lab.actor(proxy)).connect('127.0.0.1', 10_240, { wait: 1000 }), 'timeout')
  t.not(await next(), 'heard hello', 'it hears no request')
})

void t.test('AF_SMC does not reach cloud metadata', { skip: lacks('smc') }, async (t) => {
  const [lab, there] = [await createLab(t), await createLab(t)]
  await joinLabs(lab, there)
  await (await there.actor(0)).serve('169.254.169.254', 80)
  const visit = () => start(t, lab, 'smc-connect', bob, '169.254.169.254', 80)()
  t.equal(await visit(), 'answered by 0', 'without the table')
  await lab.firewall.ensure(settings)
  t.equal(await visit(), 'connect: Connection refused')
})

void t.test('AF_RXRPC sends no datagram to the port of another tenant', { skip: lacks('rxrpc') }, async (t) => {
  const lab = await createLab(t)
  const owner = await lab.actor(alice)
  await owner.serve('127.0.0.1', 10_245, { udp: true })
  const send = async () => {
    const before = await owner.heard()
    t.comment(await start(t, lab, 'rxrpc-send', bob, '127.0.0.1', 10_245)())
    return (await owner.heard()) - before
  }
  t.ok((await send()) > 0, 'without the table')
  await lab.firewall.ensure(settings)
  t.equal(await send(), 0)
})

void t.test('AF_RXRPC sends no datagram from the port of another tenant', { skip: lacks('rxrpc') }, async (t) => {
  const [lab, there] = [await createLab(t), await createLab(t)]
  await joinLabs(lab, there)
  const server = await there.actor(0)
  await server.serve('10.77.0.2', 7, { udp: true })
  const send = async (port: number) => {
    const before = await server.heard()
    t.comment(await start(t, lab, 'rxrpc-bind', bob, '10.77.0.2', port)())
    return (await server.heard()) - before
  }
  t.ok((await send(10_240)) > 0, 'without the table')
  await lab.firewall.ensure(settings)
  t.equal(await send(10_241), 0)
})

void t.test('probe() warns while such a module is loaded', { skip: lacks('smc') || lacks('rxrpc') }, async (t) => {
  const { warnings } = await (await createLab(t)).firewall.probe()
  t.match(warnings.join('\n'), /the kernel module smc and rxrpc is loaded, so tenants can send packets without a uid/)
})
