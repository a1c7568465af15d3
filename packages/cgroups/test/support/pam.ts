import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import { pamPolicy, renderPamProfile } from '../../src/pam.ts'
import { group } from './tenants.ts'

const name = 'puppy-cgroups-live'

/** Installs the PAM profile and the SELinux policy for the group of the tenants. Removes both at the end of the test. */
export async function installPamProfile(t: Test, host: Host): Promise<void> {
  const run = (program: string, ...args: readonly string[]) =>
    host.run([host.program(program) ?? program, ...args], {
      touches: 'machine',
      timeout: 120_000,
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    })
  const profile = `/usr/share/pam-configs/${name}`
  const folder = await mkdtemp(join(tmpdir(), `${name}-`))
  const selinux = (await host.status('/sys/fs/selinux/enforce')) !== undefined
  t.teardown(async () => {
    await run('pam-auth-update', '--package', '--remove', name)
    await host.remove(profile)
    if (selinux) await run('semodule', '-r', name)
    await rm(folder, { recursive: true })
  })
  // Before the profile, because without these rules the first cron job disconnects logind from the bus.
  await writeFile(join(folder, `${name}.cil`), pamPolicy)
  if (selinux) await run('semodule', '-i', join(folder, `${name}.cil`))
  await host.replace(profile, renderPamProfile({ group, title: 'Slices of the live test' }), { mode: 0o644 })
  await run('pam-auth-update', '--package')
}

/** Installs a crontab for a user, with one job that runs each minute. */
export async function installCrontab(host: Host, user: string, job: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`))
  await writeFile(join(folder, 'crontab'), `* * * * * ${job}\n`)
  const crontab = host.program('crontab') ?? '/usr/bin/crontab'
  await host.run([crontab, '-u', user, join(folder, 'crontab')], { touches: 'machine' })
  await rm(folder, { recursive: true })
}

/** Removes the crontab of a user, if it exists. */
export async function removeCrontab(host: Host, user: string): Promise<void> {
  const crontab = host.program('crontab') ?? '/usr/bin/crontab'
  await host.run([crontab, '-u', user, '-r'], { touches: 'machine', accept: [0, 1] })
}
