/** The effect of the rules in each kind of session: an ssh login, a cron job and a service of a user. */
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, chmod, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost } from '@puppy/host'
import t, { type Test } from 'tap'
import { openFirewall, type FirewallSpec } from '../../../src/index.ts'
import { cannotRun, createLab, joinMachine, startActor } from '../../support/lab.ts'

t.setTimeout(600_000)

const [alice, bob, proxy] = [24_100, 24_101, 24_102] as const
const names = { [alice]: 'fw-alice', [bob]: 'fw-bob' } as const
const settings: FirewallSpec = {
  slots: [
    { uid: alice, firstPort: 24_100, lastPort: 24_107 },
    { uid: bob, firstPort: 24_108, lastPort: 24_115 },
  ],
  tenantUids: { first: alice, last: bob },
  callers: [0, proxy],
  guards: [{ name: 'api', port: 24_200, uids: [0] }],
  egress: [],
}
const skip = cannotRun || (existsSync('/run/systemd/system') ? false : 'systemd does not run this machine')
const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'pipe', timeout: 60_000 })

/** The attempts of a session of bob, and their results with the table. */
const refused = 'Connection refused'
const wanted = {
  'squat:24101': 'listening',
  'squat:24200': 'listening',
  'tcp:127.0.0.1:24100': refused,
  'tcp:::1:24102': refused,
  'tcp:10.77.0.1:24100': refused,
  'tcp:169.254.169.254:80': refused,
  'tcp:fd00:ec2::254:80': refused,
  'tcp:10.77.0.2:25': refused,
  'tcp:fd77::2:25': refused,
  'tcp:10.77.0.2:80': 'answered by 0',
  'tcp:fd77::2:80': 'answered by 0',
  'udp:10.77.0.2:5353': 'answered by 0',
  'udp:10.77.0.2:53': 'answered by 0',
}

async function createUsers(t: Test): Promise<string> {
  const folder = await mkdtemp('/var/tmp/firewall-live-')
  await chmod(folder, 0o1777)
  t.teardown(() => rm(folder, { recursive: true }))
  for (const [uid, name] of Object.entries(names)) {
    run('useradd', '-m', '-u', uid, '-s', '/bin/bash', name)
    t.teardown(async () => {
      // The systemd manager of a user ends ten seconds after the last session.
      if (existsSync(`/run/user/${uid}`)) run('loginctl', 'terminate-user', name)
      for (let turn = 0; turn < 100 && existsSync(`/run/user/${uid}`); turn++) await sleep(200)
      run('userdel', '-r', '-f', name)
    })
  }
  run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/key`)
  run('install', '-d', '-o', names[bob], '-m', '700', `/home/${names[bob]}/.ssh`)
  run('install', '-o', names[bob], '-m', '600', `${folder}/key.pub`, `/home/${names[bob]}/.ssh/authorized_keys`)
  run('restorecon', '-R', `/home/${names[bob]}`)
  copyFileSync(fileURLToPath(new URL('../../support/probe.py', import.meta.url)), `${folder}/probe.py`)
  return folder
}

function ssh(t: Test, folder: string, command: readonly string[]): void {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
  const words = [...options.flatMap((option) => ['-o', option]), '-i', `${folder}/key`, `${names[bob]}@127.0.0.1`]
  const child = spawn('ssh', [...words, ...command], { stdio: 'inherit' })
  t.teardown(() => child.kill())
}

/** The three kinds of session. Each starts a program as bob. */
const waysIn = {
  ssh,
  cron: (_test: Test, folder: string, command: readonly string[]) => {
    writeFileSync(`${folder}/crontab`, `* * * * * ${command.join(' ')}\n`)
    run('crontab', '-u', names[bob], `${folder}/crontab`)
  },
  service: (t: Test, folder: string, command: readonly string[]) =>
    ssh(t, folder, ['systemd-run', '--user', '--wait', '--collect', ...command]),
} as const

interface Found {
  readonly cgroup: string
  readonly heard?: string
}

async function read(path: string): Promise<Found> {
  for (const until = Date.now() + 100_000; !existsSync(path); await sleep(200)) {
    if (Date.now() > until) throw new Error(`${path} does not exist`)
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Found
}

void t.test('the rules apply in every kind of session', { skip }, async (t) => {
  const folder = await createUsers(t)
  const there = await createLab(t)
  await joinMachine(t, there)
  const outside = await there.actor(0)
  for (const port of [25, 80]) await outside.serve('::', port)
  for (const port of [53, 5353]) await outside.serve('10.77.0.2', port, { udp: true })
  const [byAlice, byProxy, byRoot] = [await startActor(t, alice), await startActor(t, proxy), await startActor(t, 0)]
  await byAlice.serve('0.0.0.0', 24_100)
  await byAlice.serve('::1', 24_102)
  const firewall = openFirewall(createHost(), { table: 'puppy_live', folder: `${folder}/run` })
  t.teardown(() => firewall.remove())

  const start = (t: Test, kind: keyof typeof waysIn, out: string) => {
    t.teardown(() => writeFileSync(`${out}.end`, ''))
    waysIn[kind](t, folder, ['/usr/bin/python3', `${folder}/probe.py`, out, ...Object.keys(wanted)])
    return read(out)
  }
  await t.test('without the table, another tenant reaches the ports', async (t) => {
    const found = await start(t, 'ssh', `${folder}/without`)
    t.match(found, {
      'tcp:127.0.0.1:24100': `answered by ${alice}`,
      'tcp:169.254.169.254:80': 'answered by 0',
      'tcp:10.77.0.2:25': 'answered by 0',
    })
    await byProxy.connect('127.0.0.1', 24_101, { wait: 500 })
    writeFileSync(`${folder}/without.end`, '')
    t.match(await read(`${folder}/without.heard`), { heard: 'hello' }, 'a squatter receives requests')
  })
  await firewall.ensure(settings)
  for (const kind of ['ssh', 'cron', 'service'] as const) {
    await t.test(`by ${kind}`, async (t) => {
      const out = `${folder}/${kind}`
      const found = await start(t, kind, out)
      t.comment(found.cgroup)
      t.match(found, wanted)
      for (const [who, actor] of [
        ['the proxy', byProxy],
        ['root', byRoot],
      ] as const) {
        t.equal(await actor.connect('127.0.0.1', 24_101), 'timeout', `${who} to a squatter`)
        t.equal(await actor.connect('127.0.0.1', 24_200), 'timeout', `${who} to a fake API`)
        t.equal(await actor.connect('127.0.0.1', 24_100), `answered by ${alice}`, `${who} to the owner`)
      }
      t.equal(await outside.connect('10.77.0.1', 24_100), 'timeout', 'from outside to the owner')
      if (kind === 'cron') run('crontab', '-r', '-u', names[bob])
      writeFileSync(`${out}.end`, '')
      t.equal((await read(`${out}.heard`)).heard, undefined, 'the squatter received nothing')
    })
  }
})
