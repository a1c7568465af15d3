/**
 * Hostile tenants against a release. Each attack runs as a tenant, with a neighbour as its accomplice. Then its slot is evicted and scrubbed,
 * and the next tenant of the slot must inherit nothing.
 *
 * With `--full`, all attacks run in four configurations. Otherwise two run in the first one. `ATTACK` is a part of the titles to run.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaultLayout, evict, openPool, removeSlots, scrub, slotAt, type ScrubOptions } from '@puppy/accounts'
import { openCgroups, userSlice } from '@puppy/cgroups'
import { createHost } from '@puppy/host'
import { readProcesses } from '@puppy/host/proc'
import { firstOutput } from '@puppy/host/testing'
import { openQuota } from '@puppy/quota'
import t, { type Test } from 'tap'
import { endSlices } from '../../../src/cgroups/end-slices.ts'
import { readLeft } from '../../../src/quota/release.ts'

t.setTimeout(7_200_000)

const layout = { ...defaultLayout, firstUid: 24_200, firstPort: 29_000, group: 'puppy-attacks' }
const [attacker, neighbour, innocent] = [0, 1, 2].map((n) => slotAt(layout, n)) as [Slot, Slot, Slot]
type Slot = ReturnType<typeof slotAt>
const slots = [attacker, neighbour, innocent]
const host = createHost()
const pool = openPool(host, layout)
const groups = openCgroups(host)
const quota = openQuota(host, layout.homes)
const missing = ['gcc', 'python3', 'keyctl', 'setfacl'].filter((name) => host.program(name) === undefined)
const skip =
  process.env['TESTBED_GUEST'] === undefined
    ? 'attacks the machine, so it runs only in a disposable host'
    : missing.length > 0 && `${missing.join(', ')} is not installed`
/** Where the programs of the attackers are. Every user can run them. */
const programs = '/usr/local/lib/attacks'
/** Emulated guests are five times slower than a real host, on which the limit is ten seconds. */
const patience = 60_000
/** Whether quota counts the files of each uid. */
let counts = true
/** Whether the programs of tenants run in the slices of their users, as those of a session do. */
let inSlices = true

const run = (program: string, ...words: readonly string[]) =>
  execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
const identity = ({ uid, gid }: Slot) => ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', '--']
const scope = ({ uid }: Slot) => ['--scope', '--quiet', '--collect', `--slice=${userSlice(uid)}`, '--']
const as = (slot: Slot, ...words: readonly string[]) => run('setpriv', ...identity(slot), ...words)

/** Starts a program as a tenant. It is killed at the end of the test. */
function start(t: Test, slot: Slot | undefined, ...words: readonly string[]): ChildProcess {
  const inside = slot !== undefined && inSlices ? ['systemd-run', ...scope(slot)] : []
  const [program = '', ...rest] = [...inside, ...(slot === undefined ? [] : ['setpriv', ...identity(slot)]), ...words]
  const child = spawn(program, rest, { cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Starts a Python program and waits until it says that it is ready. */
async function startPython(t: Test, slot: Slot | undefined, name: string, ...words: readonly string[]) {
  const child = start(t, slot, 'python3', `${programs}/${name}.py`, ...words)
  await firstOutput(child)
  return child
}

/** Compiles and copies the programs of the attackers. */
function build(): void {
  const sources = `${import.meta.dirname}/programs`
  mkdirSync(programs, { recursive: true })
  for (const name of readdirSync(sources)) {
    if (name.endsWith('.c')) run('gcc', '-O1', '-o', `${programs}/${name.slice(0, -2)}`, `${sources}/${name}`)
    else copyFileSync(`${sources}/${name}`, `${programs}/${name}`)
    chmodSync(`${programs}/${name.replace(/\.c$/, '')}`, 0o755)
  }
}

interface Attack {
  /** Plants what the attack needs. Returns a check for after the release, when the next tenant has the slot. */
  readonly plant: (t: Test) => Promise<((t: Test) => Promise<void> | void) | undefined>
  readonly options?: ScrubOptions
  /** Whether it also runs without `--full`. */
  readonly quick?: true
  readonly needsSlice?: true
  /** Whether the neighbour can hide files from a search of names. Then only the count of quota finds them. */
  readonly hides?: true
  /** The code of the error that the scrub must return. Absent: the slot must be clean. */
  readonly code?: string
}

const plain = async (t: Test, name: string) => {
  start(t, attacker, `${programs}/${name}`)
  await sleep(4000)
  return undefined
}

const attacks: Readonly<Record<string, Attack>> = {
  stopper: { quick: true, plant: (t) => plain(t, 'stopper') },
  'killer loop': { plant: (t) => plain(t, 'killer') },
  'fork storm': { needsSlice: true, plant: (t) => plain(t, 'storm') },
  'pipe grabber': {
    plant: async (t) => {
      await startPython(t, attacker, 'grabber')
      return undefined
    },
  },
  'set-user-ID keeper on a file system that ignores the bit': {
    quick: true,
    plant: async (t) =>
      keep(t, '/var/tmp/keeper', (t, printed) => t.notMatch(printed, new RegExp(`^${attacker.uid} `))),
  },
  'set-user-ID keeper on a file system that honours the bit': {
    options: { folders: ['/srv/attack'] },
    code: 'ACCOUNT_SLOT_UNPROVED',
    plant: async (t) => {
      mkdirSync('/srv/attack')
      run('mount', '-t', 'tmpfs', '-o', 'mode=1777', 'none', '/srv/attack')
      t.teardown(() => {
        run('umount', '--lazy', '/srv/attack')
        rmSync('/srv/attack', { recursive: true })
      })
      // The attack works here: that is why the slot must not get another tenant.
      return keep(t, '/srv/attack/keeper', (t, printed) => t.match(printed, new RegExp(`^${attacker.uid} `)))
    },
  },
  'mount hider': {
    plant: async (t) => {
      const hidden = `${neighbour.home}/hidden`
      as(neighbour, 'sh', '-c', `chmod 711 ~${neighbour.user} && mkdir ${hidden} && chmod 777 ${hidden}`)
      as(attacker, 'sh', '-c', `echo x > ${hidden}/left; mkdir ${hidden}/folder`)
      await startPython(t, undefined, 'fuse', hidden, `${neighbour.uid}`)
      const odd = Buffer.concat([Buffer.from(`${attacker.home}/`), Buffer.from([0xff, 0xfe])])
      mkdirSync(odd)
      chownSync(odd, attacker.uid, attacker.gid)
      as(attacker, 'chmod', '777', attacker.home)
      run(
        'sh',
        '-c',
        `cd ${attacker.home} && for name in *; do python3 ${programs}/fuse.py "$PWD/$name" ${neighbour.uid} >/dev/null 2>&1 & done; sleep 3`,
      )
      await startPython(t, undefined, 'fuse', `${attacker.home}`, `${attacker.uid}`)
      return (t) => {
        run('umount', '--lazy', hidden)
        t.strictSame(readdirSync(hidden), [], 'nothing is below the mount of the neighbour')
        t.notMatch(
          readFileSync('/proc/self/mountinfo', 'latin1'),
          new RegExp(` ${attacker.home}[ /]`),
          'no mount is left',
        )
      }
    },
  },
  'ACL and attribute planter': {
    plant: async () => {
      as(attacker, 'setfacl', '-m', `u:${neighbour.uid}:rwx,d:u:${neighbour.uid}:rwx`, attacker.home)
      as(attacker, 'setfattr', '-n', 'user.left', '-v', 'x', attacker.home)
      return (t) => {
        t.notMatch(run('getfacl', '--absolute-names', '--numeric', attacker.home), new RegExp(`${neighbour.uid}`))
        t.notMatch(run('getfattr', '--absolute-names', '-m', '^user', attacker.home), /user\.left/)
        t.throws(() => as(neighbour, 'ls', attacker.home), /denied/)
      }
    },
  },
  'inotify watcher': {
    plant: async (t) => {
      as(attacker, 'chmod', '755', attacker.home)
      const watcher = await startPython(t, neighbour, 'watcher', attacker.home)
      const seen: string[] = []
      watcher.stdout!.on('data', (text: Buffer) => seen.push(text.toString()))
      return async (t) => {
        as(attacker, 'touch', `${attacker.home}/secret`)
        await sleep(1000)
        t.notMatch(seen.join(''), /secret/)
      }
    },
  },
  'queue and keyring keeper': {
    plant: async (t) => {
      t.match(as(attacker, 'python3', `${programs}/keys.py`), /left/)
      t.match(as(attacker, 'keyctl', 'show', '@u'), /left/)
      return (t) => {
        t.notMatch(as(attacker, 'cat', '/proc/keys'), /left/)
        t.notMatch(as(attacker, 'sh', '-c', 'ipcs; ls /dev/mqueue'), new RegExp(`${attacker.uid}|${attacker.user}`))
      }
    },
  },
  'path flipper': {
    hides: true,
    plant: async (t) => {
      const folder = `${neighbour.home}/open`
      as(
        neighbour,
        'sh',
        '-c',
        `chmod 711 ~${neighbour.user}; mkdir ${folder} ${folder}/a ${folder}/b; chmod 777 ${folder}/a ${folder}/b`,
      )
      // The mount of root must stay, and the mount of the attacker must go. A folder of the attacker would be removed, and a mount with it.
      as(attacker, 'mkdir', `${folder}/a/m`)
      as(neighbour, 'mkdir', `${folder}/b/m`)
      run('mount', '-t', 'tmpfs', 'root-owns-this', `${folder}/b/m`)
      t.teardown(() => run('sh', '-c', `umount --lazy ${folder}/[ab]/m || true`))
      await startPython(t, undefined, 'fuse', `${folder}/a/m`, `${attacker.uid}`)
      const flipper = await startPython(t, neighbour, 'flipper', `${folder}/a`, `${folder}/b`)
      return (t) => {
        flipper.kill('SIGKILL')
        const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
        t.match(mounts, / tmpfs root-owns-this /, 'the mount of root is not unmounted')
        t.notMatch(mounts, new RegExp(`user_id=${attacker.uid}\\b`), 'the mount of the attacker is')
      }
    },
  },
  'slot dirtier': {
    plant: async () => {
      const folders = [`/tmp/dirty-${attacker.uid}`, `${neighbour.home}/gift`, `${attacker.home}/open`]
      as(neighbour, 'sh', '-c', `chmod 777 ~${neighbour.user}`)
      as(attacker, 'sh', '-c', `chmod 711 ~${attacker.user}`)
      for (const folder of folders) {
        as(attacker, 'sh', '-c', `mkdir ${folder}; chmod 777 ${folder}`)
        as(neighbour, 'sh', '-c', `echo x > ${folder}/mine; mkdir ${folder}/deep; echo x > ${folder}/deep/mine`)
      }
      return (t) => {
        t.match(statSync(`${neighbour.home}/gift`), { uid: neighbour.uid })
        t.equal(readFileSync(`${neighbour.home}/gift/mine`, 'utf8'), 'x\n', 'the file of the neighbour stays')
        t.throws(() => statSync(`/tmp/dirty-${attacker.uid}`), { code: 'ENOENT' })
      }
    },
  },
  'port grabber': {
    plant: async (t) => {
      const door = mkdtempSync('/tmp/door-')
      chmodSync(door, 0o777)
      t.teardown(() => rmSync(door, { recursive: true }))
      await startPython(t, neighbour, 'taker', `${door}/socket`)
      await startPython(t, attacker, 'giver', `${attacker.ports[0]}`, `${door}/socket`)
      await sleep(500)
      return (t) => {
        const listen = `import socket; socket.create_server(('127.0.0.1', ${attacker.ports[0]})); print('bound')`
        t.match(as(attacker, 'python3', '-c', listen), /bound/, 'the next tenant can listen on its port')
      }
    },
  },
}

/** A tenant leaves a set-user-ID file, a neighbour opens it, and runs it after the release. */
async function keep(t: Test, path: string, check: (t: Test, printed: string) => void) {
  as(attacker, 'sh', '-c', `cp ${programs}/reader ${path} && chmod 6755 ${path}`)
  const keeper = start(t, neighbour, `${programs}/keeper`, path, `${attacker.home}/secret`)
  await firstOutput(keeper)
  return async (t: Test) => {
    as(attacker, 'sh', '-c', `umask 077; mkdir -p ${attacker.home}; echo secret > ${attacker.home}/secret || true`)
    const printed = firstOutput(keeper)
    keeper.stdin!.write('\n')
    check(t, await printed)
  }
}

const endGroups = async (uids: readonly number[]) => {
  if (inSlices) await endSlices(groups, uids, AbortSignal.timeout(patience))
}

const idsLeft = async () =>
  (await readProcesses(host)).filter(({ uids, gids, alive }) => alive && [...uids, ...gids].includes(attacker.uid))

async function attempt(t: Test, attack: Attack): Promise<void> {
  t.strictSame(
    (await pool.ensure(slots)).results.filter(({ error }) => error !== undefined),
    [],
  )
  const bystander = start(t, innocent, 'sleep', '3600')
  writeFileSync(`${innocent.home}/own`, 'x')
  chownSync(`${innocent.home}/own`, innocent.uid, innocent.gid)
  const before = statSync(attacker.home, { bigint: true }).birthtimeNs
  const check = await attack.plant(t)
  let begun = performance.now()
  const [evicted] = await evict(host, [attacker], { endGroups })
  const eviction = Math.round(performance.now() - begun)
  t.equal(evicted?.error, undefined, 'it is evicted')
  t.ok(eviction < patience, `after ${eviction} ms`)
  t.strictSame(await idsLeft(), [], 'no process is left')
  begun = performance.now()
  const [scrubbed] = await scrub(host, layout, [attacker], attack.options ?? {})
  t.comment(`evicted in ${eviction} ms, scrubbed in ${Math.round(performance.now() - begun)} ms`)
  t.equal(scrubbed?.error?.code, attack.code, scrubbed?.error?.message ?? 'it is clean')
  t.strictSame(await idsLeft(), [])
  const owned = run(
    'sh',
    '-c',
    `find /tmp /var/tmp /dev/shm ${layout.homes} -mindepth 2 -uid ${attacker.uid} -not -path '${attacker.home}/*' 2>/dev/null || true`,
  )
  if (attack.hides === undefined) t.equal(owned, '', 'it owns no file outside of its home')
  else if (owned !== '' && counts) {
    const left = await readLeft({ host, quota, mountPoint: layout.homes }, [attacker], AbortSignal.timeout(patience))
    t.ok(left.has(attacker.n), `the count of quota finds what the search does not: ${left.get(attacker.n)}`)
  } else t.comment(owned === '' ? 'nothing is left' : `hidden from the search: ${owned}`)
  if (attack.code === undefined) {
    t.ok(statSync(attacker.home, { bigint: true }).birthtimeNs > before, 'its home is a new folder')
    t.match(statSync(attacker.home), { uid: attacker.uid, mode: 0o40700 })
  }
  await check?.(t)
  t.equal(bystander.exitCode ?? bystander.signalCode, null, 'the innocent process runs')
  t.equal(readFileSync(`${innocent.home}/own`, 'utf8'), 'x')
}

async function clear(): Promise<void> {
  await evict(host, slots)
  await scrub(host, layout, slots)
}

void t.test('hostile tenants', { skip }, async (t) => {
  build()
  t.teardown(async () => {
    await clear()
    await removeSlots(host, layout, slots)
    await host.run(['/usr/sbin/groupdel', layout.group], { touches: 'machine', accept: [0, 6] })
    rmSync(programs, { recursive: true })
  })
  const enforcing = run('getenforce').trim() === 'Enforcing'
  const full = process.env['TEST_FULL'] === '1'
  const stopCounting = () => {
    run('quotaoff', layout.homes)
    counts = false
  }
  const configurations: [string, () => void][] = [['everything', () => {}]]
  if (full) {
    configurations.push(['without SELinux', () => void run('setenforce', '0')])
    configurations.push(['without SELinux and quota', stopCounting])
    configurations.push(['without SELinux, quota and slices', () => void (inSlices = false)])
    t.teardown(() => {
      run('quotaon', layout.homes)
      if (enforcing) run('setenforce', '1')
    })
  }
  const part = process.env['ATTACK']
  const chosen = Object.entries(attacks).filter(([name, { quick }]) =>
    part === undefined ? full || quick : name.includes(part),
  )
  for (const [configuration, prepare] of configurations) {
    prepare()
    for (const [title, attack] of chosen) {
      // Without a limit of its slice, a fork storm stops the machine before any program can end it.
      if (!inSlices && attack.needsSlice) continue
      await t.test(`${configuration}: ${title}`, async (t) => {
        await attempt(t, attack)
      })
      await clear()
    }
  }
})
