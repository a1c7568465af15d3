import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'

export interface User {
  readonly name: string
  readonly uid: number
  /** Runs a script in a separate ssh session and returns its output. */
  ssh(script: string): Promise<string>
}

/** Runs a program that may change the machine. Returns its output for any exit code. */
export async function tell(host: Host, program: string, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await host.run([host.program(program) ?? program, ...args], {
    touches: 'machine',
    timeout: 300_000,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    accept: Array.from({ length: 256 }, (_, code) => code),
  })
  return `${stdout}${stderr}`.trim()
}

/** Creates users who log in with a key and are members of these groups. Removes everything at the end of the test. */
export async function createUsers(
  t: Test,
  host: Host,
  users: readonly { readonly uid: number; readonly groups: readonly string[] }[],
): Promise<readonly User[]> {
  const folder = await mkdtemp('/root/.puppy-quota-')
  const key = join(folder, 'key')
  const groups = [...new Set(users.flatMap((user) => user.groups))]
  const nameOf = (uid: number) => `pql${uid}`
  t.teardown(async () => {
    for (const { uid } of users) {
      await tell(host, 'loginctl', 'terminate-user', nameOf(uid))
      await tell(host, 'systemctl', 'stop', `user-${uid}.slice`)
      await tell(host, 'userdel', '--remove', '--force', nameOf(uid))
    }
    for (const group of groups) await tell(host, 'groupdel', group)
    await rm(folder, { recursive: true })
  })
  await tell(host, 'ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key)
  const keys = (await host.read(`${key}.pub`)) ?? ''
  for (const group of groups) await tell(host, 'groupadd', '--force', group)
  for (const { uid, groups: of } of users) {
    const home = `/home/${nameOf(uid)}`
    const more = of.length === 0 ? [] : ['--groups', of.join()]
    await tell(host, 'useradd', '-m', '-u', `${uid}`, ...more, '-s', '/bin/bash', '-p', '*', nameOf(uid))
    const owner = { uid, gid: uid }
    await host.makeFolder(`${home}/.ssh`, { mode: 0o700, ...owner })
    await host.replace(`${home}/.ssh/authorized_keys`, keys, { mode: 0o600, ...owner })
    await tell(host, 'restorecon', '-R', home)
  }
  const settings = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'BatchMode=yes']
  const options = ['-F', 'none', '-i', key, ...settings.flatMap((one) => ['-o', one])]
  return users.map(({ uid }) => ({
    name: nameOf(uid),
    uid,
    ssh: (script) => tell(host, 'ssh', ...options, `${nameOf(uid)}@127.0.0.1`, script),
  }))
}
