import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import { probe } from '../../src/probe.ts'
import { until } from '../../src/wait.ts'

/** Returns why a test cannot run on this machine, or false when it can. */
export async function whyNot(host: Host, ...programs: readonly string[]): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'it needs root'
  const { works, systemd, error } = await probe(host)
  if (!works) return error?.message ?? 'no cgroup v2'
  if (systemd === undefined) return 'systemd is not the init system of this machine'
  const missing = programs.find((program) => host.program(program) === undefined)
  return missing === undefined ? false : `the program ${missing} is not installed`
}

export interface Tenant {
  readonly name: string
  readonly uid: number
  readonly slice: string
  /** The path of the slice in the tree. */
  readonly path: string
  /** Runs a script in a separate ssh session and returns its output. */
  ssh(script: string, timeout?: number): Promise<string>
}

/** The group of the tenants. Not the group of a real Puppy, which may exist on the machine. */
export const group = 'cgl-tenants'

/** Creates users with a locked password, a key, and one common group. Removes them at the end of the test. */
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

/** Waits until the function returns true. */
export const eventually = (answer: () => boolean | Promise<boolean>, timeout = 60_000): Promise<void> =>
  until(answer, { operation: 'wait for the expected state' }, { timeout })

/** Reads a file of the kernel, without the newline at its end. Returns an empty text when it does not exist. */
export async function textOf(host: Host, path: string): Promise<string> {
  return ((await host.read(path)) ?? '').trim()
}

/** Python programs of an abusive tenant. Both end by themselves after a short time. */
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
