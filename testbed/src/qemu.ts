import type { GuestDefinition } from '../definition/guest.ts'

/** How QEMU runs the guest's instructions: with the processor's virtualization (KVM), or in software (TCG). */
export type Accelerator = 'kvm' | 'tcg'

/**
 * Returns `kvm` when the processor supports virtualization and /dev/kvm can be opened. Pure.
 *
 * The device alone is not enough: a para-virtual /dev/kvm cannot run a stock kernel.
 */
export function chooseAccelerator(cpuinfo: string, mayOpenKvm: boolean): Accelerator {
  return mayOpenKvm && /(?:^|\n)flags[ \t]*:[^\n]*\b(?:vmx|svm)\b/.test(cpuinfo) ? 'kvm' : 'tcg'
}

/** A network card on the network between guests. The first guest has a socket for each other guest. */
interface PrivateNetwork {
  /** From 1. */
  readonly number: number
  readonly hosts: number
}

/** Options of `qemuArguments`. */
export interface MachineOptions {
  readonly definition: GuestDefinition
  readonly accelerator: Accelerator
  /** A word that identifies the guests of this checkout in the process list. */
  readonly tag: string
  readonly name: string
  /** The loopback port that leads to the guest's sshd. */
  readonly port: number
  /** The folder of the image, relative to the guest's folder. */
  readonly image: string
  /** The folder of the file `state` to continue from, relative to the guest's folder. Absent: the guest boots. */
  readonly saved?: string
  readonly network?: PrivateNetwork
}

/** The disks of a guest, in the order of /dev/vda, /dev/vdb …. The files in its folder have these names and `.qcow2`. */
export const disks = ['root', 'home', 'xfs', 'dependencies'] as const

/**
 * Returns the arguments of QEMU. It runs in the guest's folder: every path is relative, so no path needs escaping. Pure.
 *
 * `restrict=on`: a guest reaches neither this machine's loopback nor the internet, but the forwarded port still works.
 * `virtio-net-pci`: Debian's cloud kernel has no driver for QEMU's default card. `vmgenid`: makes a guest that continues from a saved state
 * seed its random numbers again.
 *
 * @see qemu(1)
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

/** Connects guests by unix sockets, so their network does not appear on the machine. */
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

/** Returns the card of a guest on the private network and its address there. Pure. */
export function privateAddress(number: number): { readonly mac: string; readonly ip: string } {
  return { mac: `52:54:00:01:00:0${number}`, ip: `192.168.90.${number}` }
}

/** Returns the arguments of QEMU for the machine that finishes an image; see `seal.ts`. It has one processor. Pure. */
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

/** Returns the arguments that all our machines have in common. */
function machineWords(accelerator: Accelerator, cpus: number, memoryMiB: number, name: string): string[] {
  const accel = accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=1024'
  const words = ['-name', name, '-no-user-config', '-nodefaults', '-display', 'none', '-machine', 'pc', '-accel', accel]
  words.push('-cpu', accelerator === 'kvm' ? 'host' : 'max', '-smp', String(cpus), '-m', `${memoryMiB}M`)
  return words
}
