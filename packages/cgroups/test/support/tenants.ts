import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import { probe } from '../../src/probe.ts'
import { until } from '../../src/wait.ts'

/** Why nothing can be tried here; false when it can. */
export async function whyNot(host: Host, ...programs: readonly string[]): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'it needs root'
  const { works, systemd, error } = await probe(host)
  if (!works) return error?.message ?? 'no cgroup v2'
  if (systemd === undefined) return 'systemd does not run this machine'
  const missing = programs.find((program) => host.program(program) === undefined)
  return missing === undefined ? false : `there is no program ${missing}`
}

export interface Tenant {
  readonly name: string
  readonly uid: number
  readonly slice: string
  /** The path of the slice in the tree. */
  readonly path: string
  /** Runs a script in a session of its own, by ssh, and returns what it printed. */
  ssh(script: string, timeout?: number): Promise<string>
}

/** Not the one of a real Puppy, which may be there. */
export const group = 'cgl-tenants'

/** Makes users with a locked password, a key, and one group in common. They are removed afterwards. */
export async function createTenants(
  t: Test,
  host: Host,
  uids: readonly number[],
  groups = group,
): Promise<readonly Tenant[]> {
  const folder = await mkdtemp(join(tmpdir(), 'cgroups-live-'))
  const key = join(folder, 'key')
  const run = async (program: string, args: readonly string[], accept = [0]) =>
    host.run([host.program(program) ?? program, ...args], { touches: 'machine', accept, timeout: 60_000 })
  await run('groupadd', ['--force', group])
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  t.teardown(async () => {
    for (const uid of uids) {
      await run('systemctl', ['stop', `user-${uid}.slice`], [0, 1, 5])
      await run('userdel', ['--remove', '--force', `cgl${uid}`], [0, 6, 12])
    }
    await run('groupdel', [group], [0, 6, 8])
    await rm(folder, { recursive: true })
  })
  for (const uid of uids) {
    const home = `/home/cgl${uid}`
    await run(
      'useradd',
      ['--create-home', '--uid', `${uid}`, '--groups', groups, '--shell', '/bin/bash', '--password', '*', `cgl${uid}`],
      [0, 9],
    )
    await host.makeFolder(`${home}/.ssh`, { mode: 0o700, uid, gid: uid })
    await host.replace(`${home}/.ssh/authorized_keys`, (await host.read(`${key}.pub`)) ?? '', {
      mode: 0o600,
      uid,
      gid: uid,
    })
  }
  if (host.program('restorecon') !== undefined) await run('restorecon', ['-R', '/home'])
  const options = [
    '-i',
    key,
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
    '-o',
    'BatchMode=yes',
  ]
  return uids.map((uid): Tenant => ({
    name: `cgl${uid}`,
    uid,
    slice: `user-${uid}.slice`,
    path: `user.slice/user-${uid}.slice`,
    ssh: async (script, timeout = 90_000) => {
      const command = [host.program('ssh') ?? '/usr/bin/ssh', ...options, `cgl${uid}@127.0.0.1`, script] as const
      const { stdout } = await host.run(command, {
        touches: 'machine',
        timeout,
        accept: Array.from({ length: 256 }, (_, code) => code),
      })
      return stdout.trim()
    },
  }))
}

/** Waits for what should come true. */
export const eventually = (answer: () => boolean | Promise<boolean>, timeout = 60_000): Promise<void> =>
  until(answer, { operation: 'see it come true' }, { timeout })

/** A file of a group, or of anything else that the kernel tells, as text. */
export async function textOf(host: Host, path: string): Promise<string> {
  return ((await host.read(path)) ?? '').trim()
}

/** Python programs of a tenant that does not behave. Neither goes on by itself for long. */
export const storm = `import os,time
made=refused=0
for turn in range(120):
  try:
    if os.fork()==0: time.sleep(6); os._exit(0)
    made+=1
  except OSError: refused+=1
print('made',made,'refused',refused)
`
export const bomb = `x=bytearray(400<<20)
print('survived')
`
