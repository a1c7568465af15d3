import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import type { TenantPolicy, TenantSlot } from '../../src/cil/tenants.ts'
import { pairAt } from '../../src/level.ts'
import { readState } from '../../src/state.ts'

/** Returns why the tests cannot run here. Returns false when they can. */
export async function whyNot(host: Host): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  if (process.env['TESTBED_GUEST'] === undefined)
    return 'changes the policy of the machine, so it runs only in a disposable host'
  return (await readState(host)).mode === 'enforcing' ? false : 'SELinux is not enforcing here'
}

/** A policy with ports far from the default pool. It also denies connections to ports of other tenants. */
export const policy: TenantPolicy = { ports: { first: 24_000, last: 24_999 }, connect: 'own' }

/** A port of the range without a slot. */
export const unassigned = 24_500

export interface LiveTenant extends TenantSlot {
  readonly uid: number
  readonly home: string
  /** Runs a script in a new ssh session and returns its output. */
  ssh(script: string, input?: string): Promise<string>
  /** Ends all processes of the tenant. Call it before the policy is removed: a process whose context no longer exists cannot be killed. */
  end(): Promise<void>
  /** The ssh options that connect to the tenant, for scp, sftp and rsync. */
  readonly options: readonly string[]
}

/** Creates users with an ssh key. They are removed after the test. */
export async function createTenants(t: Test, host: Host, count: number): Promise<readonly LiveTenant[]> {
  const folder = await mkdtemp(join(tmpdir(), 'selinux-live-'))
  const key = join(folder, 'key')
  const run = async (program: string, args: readonly string[], accept = [0], input?: string) =>
    host.run([host.program(program) ?? program, ...args], {
      touches: 'machine',
      accept,
      timeout: 120_000,
      ...(input === undefined ? {} : { input }),
    })
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  const options = [
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'BatchMode=yes',
  ]
    .flatMap((option) => ['-o', option])
    .concat('-i', key)
  const tenants = Array.from({ length: count }, (_, n): LiveTenant => {
    const [login, uid] = [`sxl${24_000 + n}`, 24_000 + n]
    return {
      login,
      uid,
      home: `/home/${login}`,
      level: pairAt(500 + n),
      ports: { first: 24_000 + 8 * n, last: 24_007 + 8 * n },
      options,
      end: async () => {
        await run('systemctl', ['stop', `user-${uid}.slice`], [0, 1, 5])
      },
      ssh: async (script, input) => {
        const anyCode = Array.from({ length: 256 }, (_, code) => code)
        const { stdout, stderr } = await run('ssh', [...options, `${login}@127.0.0.1`, script], anyCode, input)
        if (stderr !== '') t.comment(stderr.slice(-1000))
        return stdout.trim()
      },
    }
  })
  t.teardown(async () => {
    for (const { login, uid, end } of tenants) {
      await end()
      await run('crontab', ['-r', '-u', login], [0, 1])
      await run('userdel', ['--remove', '--force', login], [0, 6, 12])
      await run('find', ['/tmp', '/dev/shm', '-maxdepth', '1', '-uid', `${uid}`, '-delete'], [0, 1])
    }
    await rm(folder, { recursive: true })
  })
  for (const { login, uid, home } of tenants) {
    await run('useradd', ['--create-home', '--uid', `${uid}`, '--shell', '/bin/bash', '--password', '*', login])
    await host.makeFolder(`${home}/.ssh`, { mode: 0o700, uid, gid: uid })
    const keys = (await host.read(`${key}.pub`)) ?? ''
    await host.replace(`${home}/.ssh/authorized_keys`, keys, { mode: 0o600, uid, gid: uid })
  }
  return tenants
}
