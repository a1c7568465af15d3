/** The privilege boundaries of docs/threat-model.md: the rights of each process, its sockets, and what another user may read and write. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createHost } from '@puppy/host'
import { readListeners } from '@puppy/host/proc'
import t from 'tap'
import { smallPlan, sshKey } from '@puppy/state/testing'
import { cannotRun, createPuppy, type Puppy } from '../support/puppy.ts'

t.setTimeout(300_000)
const host = createHost()
const [tenant, neighbour] = [10_000, 10_001]

/** The rights of a process, and the sockets on which it accepts connections. */
interface Door {
  /** The real, effective and saved uid, if they are equal. */
  readonly uid: number
  readonly groups: string
  readonly capable: boolean
  /** Each port, and the uid that created its socket. */
  readonly tcp: readonly (readonly [port: number, uid: number])[]
  /** Paths below the run folder. */
  readonly unix: readonly string[]
}

async function doorOf(puppy: Puppy, pid: number): Promise<Door> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const line = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1] ?? ''
  const sockets = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? []
    return inode === undefined ? [] : [inode]
  })
  const tcp = (await readListeners(host)).filter(({ inode }) => sockets.includes(String(inode)))
  // Num RefCount Protocol Flags Type St Inode Path: the flag 00010000 marks a socket that accepts connections. @see proc(5)
  const unix = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((row) => row.split(/\s+/))
    .filter((row) => row[3] === '00010000' && sockets.includes(row[6] ?? ''))
    .map((row) => (row[7] ?? '').replace(`${puppy.runDir}/`, ''))
  const uids = new Set(line('Uid').split('\t'))
  return {
    uid: uids.size === 1 ? Number([...uids][0]) : Number.NaN,
    groups: line('Groups'),
    capable: ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].some((name) => !/^0+$/.test(line(name))),
    tcp: tcp.map(({ port, uid }) => [port, uid]),
    unix: unix.toSorted(),
  }
}

function portOf(address: string | undefined): number {
  return Number(address?.split(':').at(-1))
}

void t.test(
  'each process has the user, the capabilities and the listening sockets of the threat model',
  { skip: cannotRun },
  async (t) => {
    const puppy = await createPuppy(t, { firstPort: 12_400, fresh: true })
    await puppy.up()
    const door = (pid: number) => doorOf(puppy, pid)
    const master = puppy.pidOf('haproxy')
    const [worker] = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ').map(Number)
    const listen = portOf(puppy.env['PUPPY_LISTEN'])
    for (const pid of [puppy.pidOf('up'), puppy.pidOf('agent'), master]) {
      const { groups: _, ...rest } = await door(pid)
      // `up` holds the socket of the API, and accepts no connection on it.
      const tcp = pid === puppy.pidOf('up') ? [[listen, 0]] : []
      t.strictSame(rest, { uid: 0, capable: true, tcp, unix: [] })
    }
    // On a host that is a folder, the API and the database run as the user nobody.
    const nobody = { uid: 65_534, capable: false }
    t.strictSame(await door(puppy.pidOf('api')), { ...nobody, groups: '', tcp: [[listen, 0]], unix: [] }, 'bound by up')
    const unix = ['postgres/.s.PGSQL.5432']
    t.strictSame(await door(puppy.pidOf('postgres')), { ...nobody, groups: '', tcp: [], unix })
    const inWorker = await door(worker ?? 0)
    t.ok(inWorker.uid > 0 && !inWorker.capable && ['', `${inWorker.uid}`].includes(inWorker.groups), 'the worker')
    t.strictSame(inWorker.tcp, [[puppy.proxyPort, 0]], 'bound by the master')
    t.equal(inWorker.unix.length, 2)
    for (const name of inWorker.unix) t.match(name, /^haproxy\/(haproxy\.sock|peers\/sock)/)
  },
)

/** Prints which paths of its standard input a user may read, and which it may write. */
const probe = `
const { accessSync, constants, readFileSync } = require('node:fs')
const may = (path, mode) => { try { accessSync(path, mode); return true } catch { return false } }
const paths = JSON.parse(readFileSync(0, 'utf8'))
const [read, write] = [constants.R_OK, constants.W_OK].map((mode) => paths.filter((path) => may(path, mode)))
console.log(JSON.stringify({ read, write }))`

function pathsBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? [path, ...pathsBelow(path)] : [path]
  })
}

/** Returns what a user may read below the folders of Puppy, and what it may write on the whole host. The programs of PostgreSQL are left out. */
async function reach(puppy: Puppy, uid: number) {
  const paths = pathsBelow(puppy.root).filter((path) => !lstatSync(path).isSymbolicLink())
  const words = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--', process.execPath, '--eval', probe]
  const input = JSON.stringify(paths)
  const run = await host.run(['/usr/bin/setpriv', ...words], { touches: 'nothing', input, maxOutput: 10_000_000 })
  const { read, write } = JSON.parse(run.stdout) as Record<'read' | 'write', readonly string[]>
  const shown = (list: readonly string[]) => list.map((path) => path.slice(puppy.root.length)).toSorted()
  const ours = shown(read).filter((path) => /^\/(etc|var\/lib)\/puppy\//.test(path) && !path.includes('/binaries-'))
  return { read: ours, write: shown(write) }
}

/** What every user of the machine may read. The pid files name processes, which `ps` shows too. */
const open = [
  '/var/lib/puppy/machine-id',
  '/var/lib/puppy/postgres',
  '/var/lib/puppy/run/agent.pid',
  '/var/lib/puppy/run/api.pid',
  '/var/lib/puppy/run/haproxy/haproxy.pid',
  '/var/lib/puppy/run/up.pid',
  '/var/lib/puppy/slots.json',
]

void t.test(
  'a tenant reads its own keys and variables, and no log, secret, socket or file of another tenant',
  { skip: cannotRun },
  async (t) => {
    const puppy = await createPuppy(t, { firstPort: 12_480, fresh: true })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    t.match(await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small', sshKeys: [sshKey] }), {
      body: { uid: tenant },
    })
    const own = ['/etc/puppy/env/p10000', '/etc/puppy/keys/p10000']
    t.strictSame(await reach(puppy, tenant), { read: [...own, ...open], write: ['/home/p10000'] })
    t.strictSame(await reach(puppy, neighbour), { read: open, write: ['/home/p10001'] })
  },
)
