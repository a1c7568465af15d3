import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { ensurePackages, installLine, missingNeeds, needs } from '../src/system-packages.ts'

const paths: Readonly<Record<string, string>> = { haproxy: '/usr/sbin/haproxy' }
const nothing: FakeProgram = () => ({})
const all = Object.fromEntries(needs.map(({ program }) => [paths[program] ?? `/usr/bin/${program}`, nothing]))
const without = (name: string) => Object.fromEntries(Object.entries(all).filter(([path]) => !path.endsWith(`/${name}`)))

void t.test('missingNeeds() accepts another name of the same program', async (t) => {
  t.strictSame(
    missingNeeds(() => true),
    [],
  )
  t.strictSame(
    missingNeeds((program) => program !== 'systemd-sysusers'),
    [],
  )
  t.strictSame(
    missingNeeds((program) => program !== 'haproxy').map((need) => need.package),
    ['haproxy'],
  )
  t.match(installLine(missingNeeds(() => false)), /^apt-get install -y haproxy systemd-standalone-sysusers /)
})

void t.test('ensurePackages() runs and prints nothing when nothing is missing', async (t) => {
  const host = createFakeHost({ programs: { ...all, '/usr/bin/apt-get': nothing } })
  await ensurePackages(host, { install: true, say: (line) => t.fail(line) })
  t.strictSame(host.commands, [])
})

void t.test('ensurePackages() prints what is missing and why, then installs it', async (t) => {
  const said: string[] = []
  const programs: Record<string, FakeProgram> = { ...without('haproxy'), '/usr/bin/apt-get': nothing }
  programs['/usr/bin/apt-get'] = ({ args }) => {
    if (args.includes('haproxy')) programs['/usr/sbin/haproxy'] = nothing
    return {}
  }
  const host = createFakeHost({ programs })
  await ensurePackages(host, { install: true, say: (line) => said.push(line) })
  t.matchOnlyStrict(said, [/Missing: haproxy, which routes web traffic/, /Running: apt-get install -y haproxy/])
  t.strictSame(host.commands.at(-1), [
    '/usr/bin/apt-get',
    'install',
    '-y',
    '-q',
    '--no-install-recommends',
    '--',
    'haproxy',
  ])
})

const refusals: [title: string, install: boolean, apt: FakeProgram | undefined, line: RegExp][] = [
  [
    'when it may not',
    false,
    nothing,
    /^Packages are missing, and PUPPY_NO_INSTALL=1 is set; run this command and start again: apt-get install -y haproxy$/,
  ],
  [
    'on another kind of system',
    true,
    undefined,
    /^Packages are missing, and apt-get, which installs them, was not found; install the programs of this command/,
  ],
  [
    'when apt fails',
    true,
    () => ({ exitCode: 100, stderr: 'no network' }),
    /^Cannot install packages: .*no network.*; run this command yourself/,
  ],
  [
    'when the program is still missing',
    true,
    nothing,
    /^Packages were installed, but programs are missing: haproxy; install them and start again$/,
  ],
]
for (const [title, install, apt, line] of refusals) {
  void t.test(`ensurePackages() ${title} reports the command to run`, async (t) => {
    const host = createFakeHost({
      programs: { ...without('haproxy'), ...(apt === undefined ? {} : { '/usr/bin/apt-get': apt }) },
    })
    await t.rejects(ensurePackages(host, { install, say: () => {} }), { message: line })
  })
}
