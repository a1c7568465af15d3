import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyContext, createHost, inOurDomain, type Host } from '@puppy/host'
import type { Test } from 'tap'
import { renderCil, type CilExpression } from '../../src/cil/expression.ts'

const machine = createHost()

/** Why no store can be created here. False when one can. */
export const noStore: string | false =
  machine.program('semodule') === undefined
    ? 'semodule is not installed (policycoreutils)'
    : process.getuid?.() === 0
      ? false
      : 'the tools need root, also for a folder'

/** Why booleans cannot be set here. False when they can. */
export const noLibrary: string | false = await libraryIsMissing()

async function libraryIsMissing(): Promise<string | false> {
  const python = machine.program('python3')
  const command = [python ?? '', '-I', '-c', 'import selinux, semanage'] as const
  const works =
    python !== undefined && (await machine.run(command, { touches: 'nothing', accept: [0, 1] })).exitCode === 0
  return works ? false : 'libsemanage cannot be used from Python (policycoreutils-python-utils)'
}

const type = 'mini'

/** Returns the smallest policy with all words that the modules of this library use. A transaction of it takes a tenth of a second. */
function smallestPolicy(): string {
  const categories = Array.from({ length: 1024 }, (_, category) => `c${category}`)
  const files = ['file', 'lnk_file', 'chr_file', 'blk_file', 'sock_file', 'fifo_file']
  const classes: Readonly<Record<string, readonly string[]>> = {
    ...Object.fromEntries(files.map((name) => [name, ['read', 'write', 'append', 'open', 'execute', 'map', 'create']])),
    dir: ['read', 'write', 'search', 'open', 'add_name', 'remove_name'],
    process: ['transition'],
    filesystem: ['getattr'],
    tcp_socket: ['name_bind', 'name_connect'],
    udp_socket: ['name_bind'],
  }
  const types = { kernel_t: 'system_r', user_t: 'user_r', port_t: 'object_r', unlabeled_t: 'object_r' }
  const sids = {
    kernel: ['system_r', 'kernel_t'],
    unlabeled: ['object_r', 'unlabeled_t'],
    port: ['object_r', 'port_t'],
  }
  const one: CilExpression = [['s0'], ['s0']]
  return renderCil([
    ['handleunknown', 'allow'],
    ['mls', 'true'],
    ...categories.map((name): CilExpression => ['category', name]),
    ['categoryorder', categories],
    ['sensitivity', 's0'],
    ['sensitivityorder', ['s0']],
    ['sensitivitycategory', 's0', ['range', 'c0', 'c1023']],
    ...Object.entries(classes).map(([name, acts]): CilExpression => ['class', name, acts]),
    ['classorder', Object.keys(classes)],
    ...Object.keys(sids).map((name): CilExpression => ['sid', name]),
    ['sidorder', Object.keys(sids)],
    ['user', 'system_u'],
    ...['object_r', 'system_r', 'user_r'].map((name): CilExpression => ['role', name]),
    ['userrole', 'system_u', 'object_r'],
    ['userrole', 'system_u', 'system_r'],
    ['userlevel', 'system_u', ['s0']],
    ['userrange', 'system_u', [['s0'], ['s0', [['range', 'c0', 'c1023']]]]],
    ['userprefix', 'system_u', 'user'],
    ['typeattribute', 'port_type'],
    ...Object.entries(types).flatMap(([name, role]): CilExpression[] => [
      ['type', name],
      ['roletype', role, name],
    ]),
    ['typeattributeset', 'port_type', ['port_t']],
    ...Object.entries(sids).map(([name, context]): CilExpression => [
      'sidcontext',
      name,
      ['system_u', ...context, one],
    ]),
    ['allow', 'kernel_t', 'user_t', ['process', ['transition']]],
    ['mlsconstrain', ['file', ['create']], ['eq', 'l1', 'h1']],
    ['filecon', { text: '/.*' }, 'any', ['system_u', 'object_r', 'unlabeled_t', one]],
    ['selinuxuser', '__default__', 'system_u', one],
  ])
}

/** Creates a host whose root is a folder with the smallest policy. The folder is deleted after the test. */
export async function createMiniStore(t: Test, parent: string = tmpdir()): Promise<Host> {
  const root = await mkdtemp(join(parent, 'selinux-store-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  // Where SELinux is on, setfiles(8) checks the built files, and may not read temporary files.
  await copyContext(machine, '/var/lib/selinux', [root, parent].slice(0, parent === tmpdir() ? 1 : 2))
  const host = createHost({ root })
  for (const folder of [
    `/var/lib/selinux/${type}`,
    `/etc/selinux/${type}/contexts/files`,
    `/etc/selinux/${type}/policy`,
  ])
    await mkdir(host.path(folder), { recursive: true })
  await writeFile(host.path('/etc/selinux/config'), `SELINUX=enforcing\nSELINUXTYPE=${type}\n`)
  await writeFile(host.path('/etc/selinux/semanage.conf'), 'module-store = direct\nexpand-check=0\n')
  await writeFile(host.path('/base.cil'), smallestPolicy())
  await semodule(host, '-X', '100', '-i', host.path('/base.cil'))
  return host
}

/** Runs semodule(8) on such a store, as another process would. */
export async function semodule(host: Host, ...words: readonly string[]): Promise<string> {
  const command = [
    machine.program('semodule') ?? '/usr/sbin/semodule',
    '-p',
    host.root,
    '-N',
    '-s',
    type,
    ...words,
  ] as const
  return (await host.run(await inOurDomain(host, command), { touches: 'files' })).stdout
}

/** Returns how many times the store was committed. */
export async function commitsOf(host: Host): Promise<number> {
  return Number((await host.read(`/var/lib/selinux/${type}/active/commit_num`))?.replaceAll('\0', ''))
}
