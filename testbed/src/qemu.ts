import type { GuestDefinition } from '../definition/guest.ts'

/** How QEMU runs the guest's instructions: by the processor's own virtualization, or all of them in software. */
export type Accelerator = 'kvm' | 'tcg'

/**
 * Chooses KVM when the processor can virtualize and the device is ours to open.
 *
 * The flags decide, not the device: a machine may have a /dev/kvm that is para-virtual and cannot run a stock kernel.
 */
export function chooseAccelerator(cpuinfo: string, mayOpenKvm: boolean): Accelerator {
  return mayOpenKvm && /^flags\s*:.*\b(vmx|svm)\b/m.test(cpuinfo) ? 'kvm' : 'tcg'
}

/** A card on the network between guests: the first guest has a socket for each of the others. */
interface PrivateNetwork {
  /** From 1. */
  readonly number: number
  readonly hosts: number
}

export interface MachineOptions {
  readonly definition: GuestDefinition
  readonly accelerator: Accelerator
  /** Found in the process list. */
  readonly tag: string
  readonly name: string
  /** The loopback port that leads to the guest's sshd. */
  readonly port: number
  /** The image's folder, relative to the guest's own. */
  readonly image: string
  /** Go on from the file `state` in this folder, relative to the guest's own, instead of booting. */
  readonly saved?: string
  readonly network?: PrivateNetwork
}

/** The disks of a guest in the order of /dev/vda, /dev/vdb …; files of these names with `.qcow2` are in its folder. */
export const disks = ['root', 'home', 'xfs', 'dependencies'] as const

/**
 * The words for QEMU, whose working folder is the guest's: every path is relative, so that none needs escaping.
 *
 * `restrict=on`: what runs in a guest reaches neither this machine's loopback nor the internet; the forwarded port still
 * leads in. `virtio-net-pci` because Debian's cloud kernel has no driver for QEMU's usual card. `vmgenid` tells a guest that goes
 * on from a saved state to draw fresh randomness. @see qemu(1)
 */
export function qemuArguments(options: MachineOptions): readonly string[] {
  const { definition, accelerator, tag, name, port, image, saved, network } = options
  const words = machineWords(accelerator, definition.cpus, definition.memoryMiB, `${tag}/${name}`)
  for (const disk of disks)
    words.push('-drive', `file=${disk}.qcow2,if=virtio,format=qcow2,cache=unsafe,discard=unmap,werror=report`)
  words.push('-netdev', `user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`)
  words.push('-device', 'virtio-net-pci,netdev=user,mac=52:54:00:00:00:01')
  words.push('-device', 'virtio-rng-pci', '-device', 'vmgenid,guid=auto')
  if (network !== undefined) addNetwork(words, network)
  words.push('-chardev', 'file,id=console,path=console.log', '-serial', 'chardev:console')
  words.push('-qmp', 'unix:qmp.sock,server=on,wait=off', '-pidfile', 'qemu.pid')
  words.push('-kernel', `${image}/vmlinuz`, '-initrd', `${image}/initrd.img`)
  words.push('-append', ['root=/dev/vda', 'rw', 'console=ttyS0', 'quiet', ...definition.kernelArguments].join(' '))
  if (saved !== undefined) words.push('-incoming', `exec:cat ${saved}/state`)
  return words
}

/** Guests are joined by unix sockets, so nothing of their network is to be seen on the machine. */
function addNetwork(words: string[], { number, hosts }: PrivateNetwork): void {
  const others = Array.from({ length: hosts - 1 }, (_, index) => index + 2)
  for (const other of number === 1 ? others : [number]) {
    const end = number === 1 ? 'server=on,addr.path=' : 'server=off,addr.path=../1/'
    words.push('-netdev', `stream,id=link${other},addr.type=unix,${end}link${other}.sock`)
    words.push('-netdev', `hubport,id=port${other},hubid=1,netdev=link${other}`)
  }
  words.push('-netdev', 'hubport,id=lan,hubid=1')
  words.push('-device', `virtio-net-pci,netdev=lan,mac=${privateAddress(number).mac}`)
}

/** Which card of a guest is on the private network, and its address there. */
export function privateAddress(number: number): { readonly mac: string; readonly ip: string } {
  return { mac: `52:54:00:01:00:0${number}`, ip: `192.168.90.${number}` }
}

/** The words for the machine that finishes an image: see `seal.ts`. It does one thing after the other, on one processor. */
export function sealArguments(accelerator: Accelerator, tag: string): readonly string[] {
  const words = machineWords(accelerator, 1, 2048, `${tag}/seal`)
  words.push('-no-reboot')
  for (const disk of ['sealed', 'home', 'xfs']) {
    words.push('-drive', `file=${disk}.qcow2,if=virtio,format=qcow2,cache=unsafe`)
  }
  words.push('-chardev', 'file,id=console,path=seal.log', '-serial', 'chardev:console')
  words.push('-kernel', 'vmlinuz', '-initrd', 'initrd.img')
  words.push('-append', 'root=/dev/vda ro console=ttyS0 quiet panic=5 selinux=0 init=/usr/local/lib/testbed/seal')
  return words
}

/** Begins with what all our machines have in common. */
function machineWords(accelerator: Accelerator, cpus: number, memoryMiB: number, name: string): string[] {
  const accel = accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=1024'
  const words = ['-name', name, '-no-user-config', '-nodefaults', '-display', 'none', '-machine', 'pc', '-accel', accel]
  words.push('-cpu', accelerator === 'kvm' ? 'host' : 'max', '-smp', String(cpus), '-m', `${memoryMiB}M`)
  return words
}
