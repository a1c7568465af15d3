import t from 'tap'
import { findDefinition } from '../src/definition.ts'
import { chooseAccelerator, qemuArguments, sealArguments } from '../src/qemu.ts'

const base = {
  definition: findDefinition('trixie'),
  accelerator: 'tcg',
  tag: 'tag',
  name: 'trixie/1',
  port: 2222,
  image: '../../../images/trixie/1',
} as const

void t.test('chooseAccelerator() needs the flags of the processor and the device', async (t) => {
  t.equal(chooseAccelerator('flags\t\t: fpu vmx sse2\n', true), 'kvm')
  t.equal(chooseAccelerator('flags\t\t: fpu svm\n', true), 'kvm')
  t.equal(chooseAccelerator('flags\t\t: fpu svm\n', false), 'tcg')
  t.equal(chooseAccelerator('flags\t\t: fpu sse2 vmxish\nvmx flags : x\n', true), 'tcg')
})

void t.test('qemuArguments() forwards one port of loopback and listens on no other address', async (t) => {
  const words = qemuArguments(base)
  t.ok(words.includes('user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22'))
  t.strictSame(words.filter((word) => /hostfwd|listen=|mcast|vnc|tcp:/.test(word)).length, 1)
  t.ok(words.includes('tag/trixie/1'))
  t.notOk(words.includes('-incoming'))
  t.match(words[words.indexOf('-append') + 1], 'security=selinux selinux=1 enforcing=1 psi=1')
})

void t.test('qemuArguments() with KVM passes the processor model of the host to the guest', async (t) => {
  const words = qemuArguments({ ...base, accelerator: 'kvm' })
  t.equal(words[words.indexOf('-accel') + 1], 'kvm')
  t.equal(words[words.indexOf('-cpu') + 1], 'host')
})

void t.test('qemuArguments() continues from a saved state', async (t) => {
  const words = qemuArguments({ ...base, saved: '../../../saved/x' })
  t.equal(words[words.indexOf('-incoming') + 1], 'exec:cat ../../../saved/x/state')
})

void t.test('qemuArguments() connects guests by sockets in the folder of the first guest', async (t) => {
  const links = (number: number, hosts: number) =>
    qemuArguments({ ...base, network: { number, hosts } }).filter((word) => word.startsWith('stream,'))
  t.strictSame(links(1, 3), [
    'stream,id=link2,addr.type=unix,server=on,addr.path=link2.sock',
    'stream,id=link3,addr.type=unix,server=on,addr.path=link3.sock',
  ])
  t.strictSame(links(3, 3), ['stream,id=link3,addr.type=unix,server=off,addr.path=../1/link3.sock'])
})

void t.test('sealArguments() has no network, and QEMU ends instead of a reboot', async (t) => {
  const words = sealArguments('tcg', 'tag')
  t.ok(words.includes('-no-reboot'))
  t.notOk(words.includes('-netdev'))
})
