import { slotAt } from '@puppy/accounts'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import type { View } from '../../src/facilities/facility.ts'
import { removeView, viewFacility } from '../../src/facilities/view.ts'
import { createFakePolicy } from '../support/policy.ts'
import { smallLayout } from '../support/rows.ts'

const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
const stacks = ['/etc/pam.d/common-session', '/etc/pam.d/common-session-noninteractive']
const profile = '/usr/share/pam-configs/puppy-view'
const record = '/home/.temporary/homes-were-listable'
const own = { works: true, what: 'every process of a tenant has its own view' }
const common = '22 1 0:21 / /proc rw - proc proc rw\n23 1 254:1 / / rw - ext4 /dev/vda rw\n'

interface Machine {
  readonly files?: Readonly<Record<string, string>>
  readonly live?: boolean
  readonly lacking?: string
  readonly refuses?: boolean
}

/** Creates a Debian host in memory with a fake pam-auth-update. */
function open({ files = {}, live = true, lacking = '', refuses = false }: Machine = {}) {
  const update: FakeProgram = async ({ host, args }) => {
    const text = args.includes('--remove') ? '' : ((await host.read(profile)) ?? '')
    for (const stack of stacks) await host.replace(stack, `session required pam_unix.so\n${text}`)
    return {}
  }
  const rm: FakeProgram = async ({ host, args }) => {
    for (const path of args.slice(args.indexOf('--') + 1))
      if ((await host.list(path)).length === 0) await host.remove(path)
    return {}
  }
  const programs = {
    '/usr/sbin/pam-auth-update': update,
    '/usr/bin/unshare': () => (refuses ? { exitCode: 32, stderr: 'mount: permission denied' } : {}),
    '/usr/bin/mount': () => ({}),
    '/usr/bin/rm': rm,
  }
  const host = createFakeHost({
    live,
    programs: Object.fromEntries(Object.entries(programs).filter(([path]) => !path.endsWith(`/${lacking}`))),
    files: {
      ...Object.fromEntries(stacks.map((stack) => [stack, 'session required pam_unix.so\n'])),
      [`${first.home}/.profile`]: '',
      '/usr/share/pam-configs/unix': '',
      '/proc/self/mountinfo': common,
      ...files,
    },
  })
  const options = { host, layout: smallLayout, policy: createFakePolicy() }
  return { host, facility: viewFacility(options), policy: options.policy }
}

const prepare = async ({ facility }: Pick<ReturnType<typeof open>, 'facility'>) =>
  (await facility.prepare!(signal)).apply()

void t.test('viewFacility() works once its profile is installed', async (t) => {
  const machine = open()
  const { facility, host } = machine
  t.match(await facility.probe(signal), { works: false, reason: 'the PAM profile is not installed' })
  const step = await facility.prepare!(signal)
  t.equal(await host.read(profile), undefined, 'a plan writes nothing')
  t.strictSame(
    step.changes.map(({ facility: name, target, action }) => `${name}: ${action} ${target}`),
    [
      'view: install /home/.temporary',
      'view: install /home/.temporary/tmp',
      'view: install /home/.temporary/var-tmp',
      'view: install /home/.temporary/shm',
      'view: install /usr/libexec/puppy/open-view',
      'view: install /etc/tmpfiles.d/puppy-view.conf',
      'view: install /etc/security/namespace.d/puppy-view.conf',
      `view: install ${profile}`,
      'view: hide its entries /home',
    ],
  )
  t.strictSame(await step.apply(), [])
  t.strictSame(facility.replaced(), [])
  t.strictSame(await facility.probe(signal), { works: true })
  t.strictSame(facility.replaced(), ['/tmp', '/var/tmp', '/dev/shm'])
  t.match(await host.read(stacks[0]!), /ingroup puppy-tenants\n\toptional pam_namespace\.so/)
  t.match(await host.status('/home'), { mode: 0o711 })
  t.match(await host.status('/usr/libexec/puppy/open-view'), { mode: 0o755 })
  t.match(await host.status('/home/.temporary/tmp'), { mode: 0 })
  t.strictSame((await facility.prepare!(signal)).changes, [])
})

void t.test('viewFacility() repairs what it installed', async (t) => {
  for (const path of [
    stacks[1]!,
    '/usr/libexec/puppy/open-view',
    '/etc/security/namespace.d/puppy-view.conf',
    profile,
  ]) {
    const machine = open()
    await prepare(machine)
    await machine.host.replace(path, 'changed\n')
    t.match(await machine.facility.probe(signal), { works: false }, path)
    t.strictSame(await prepare(machine), [])
    t.strictSame(await machine.facility.probe(signal), { works: true }, path)
  }
})

void t.test('viewFacility() reports why it does not work, and changes nothing then', async (t) => {
  const rows: [Machine, RegExp][] = [
    [{ live: false }, /only a folder/],
    [{ lacking: 'pam-auth-update' }, /pam-auth-update\(8\) is not installed/],
    [{ refuses: true }, /mount namespaces do not work.*permission denied/],
    [
      { files: { [stacks[0]!]: 'session required pam_namespace.so\n' } },
      /common-session calls pam_namespace for other users too/,
    ],
    [
      { files: { '/etc/security/namespace.conf': '# /tmp\n/tmp /tmp-inst/ level root\n' } },
      /namespace\.conf has its own line for \/tmp/,
    ],
    [{ files: { '/etc/security/namespace.d/own.conf': ' /dev/shm /x/ user root\n' } }, /own\.conf has its own line/],
  ]
  for (const [machine, reason] of rows) {
    const { facility, host } = open(machine)
    t.match(await facility.probe(signal), { works: false, reason })
    const { changes, apply } = await facility.prepare!(signal)
    t.strictSame(changes, [])
    await apply()
    t.equal(await host.read(profile), undefined, reason.source)
  }
})

void t.test('viewFacility() hides the names of homes once, and a purge restores what it changed', async (t) => {
  const machine = open()
  const { host } = machine
  await prepare(machine)
  await host.makeFolder('/home', { mode: 0o755 })
  t.strictSame((await machine.facility.prepare!(signal)).changes, [], 'the operator made them listable again')
  await host.makeFolder('/home', { mode: 0o711 })
  await removeView(host, smallLayout)
  t.match(await host.status('/home'), { mode: 0o755 })
  t.equal(await host.read(profile), undefined)
  t.notMatch(await host.read(stacks[0]!), 'pam_namespace')

  t.notOk(await host.status('/home/.temporary'))
  t.notOk(await host.status('/usr/libexec/puppy'))

  const shared = open({ files: { '/home/.temporary/other': 'kept' } })
  await prepare(shared)
  await removeView(shared.host, smallLayout)
  t.strictSame(await shared.host.list('/home/.temporary'), ['other'], 'the file of another program stays')

  const own = open()
  await own.host.makeFolder('/home', { mode: 0o750 })
  await prepare(own)
  await removeView(own.host, smallLayout)
  t.match(await own.host.status('/home'), { mode: 0o750 }, 'a mode that the operator chose stays')

  for (const [mode, after] of [
    [0o755, 0o711],
    [0o711, 0o711],
  ] as const) {
    const killed = open({ files: { [record]: 'begun\n' } })
    await killed.host.makeFolder('/home', { mode })
    await prepare(killed)
    t.match(await killed.host.status('/home'), { mode: after })
    t.equal(await killed.host.read(record), 'done\n', 'a killed pass is continued')
  }
})

void t.test('viewFacility() removes the temporary folders of released slots only', async (t) => {
  const machine = open()
  const { host, facility } = machine
  await prepare(machine)
  const below = ['tmp', 'var-tmp', 'shm'].map((name) => `/home/.temporary/${name}`)
  for (const { user } of slots) for (const folder of below) await host.makeFolder(`${folder}/${user}`, { mode: 0o1777 })
  t.strictSame([...(await (await facility.scrub!([first], signal)).apply())], [[0, { done: true }]])
  for (const folder of below) t.strictSame(await host.list(folder), [second.user])
  await host.replace(`${below[1]}/${second.user}/left`, 'x')
  const given = await (await facility.scrub!([second], signal)).apply()
  t.match(given.get(1), { done: false, message: /var-tmp\/p\d+ cannot be removed/ })
})

void t.test('viewFacility() limits the system bus once the group exists, and a purge removes the rules', async (t) => {
  const path = '/etc/dbus-1/system.d/puppy-view.conf'
  const view: View = { complete: true, builtSlots: [], tenants: [], routes: [], suspended: [], goneRoutes: [] }
  const serve = async ({ facility }: ReturnType<typeof open>) => facility.serve!(view, signal)
  const without = open({ files: { '/etc/group': 'puppy-tenants:x:990:\n' } })
  t.strictSame((await serve(without)).changes, [], 'a machine without a system bus needs no rules')
  const early = open({ files: { '/etc/dbus-1/system.d/other.conf': '', '/etc/group': 'root:x:0:\n' } })
  t.strictSame((await serve(early)).changes, [], 'dbus-daemon would ignore rules for an unknown group')
  const machine = open({ files: { '/etc/dbus-1/system.d/other.conf': '', '/etc/group': 'puppy-tenants:x:990:\n' } })
  const step = await serve(machine)
  t.strictSame(step.changes, [{ facility: 'view', target: path, action: 'install' }])
  await step.apply()
  t.match(await machine.host.read(path), '<policy group="puppy-tenants">')
  t.strictSame((await serve(machine)).changes, [])
  t.strictSame(await machine.facility.inspect!(view, signal), [own])
  await machine.host.replace(path, 'changed')
  t.matchOnlyStrict(await machine.facility.inspect!(view, signal), [
    { works: false, what: `the system bus limits tenants with ${path}`, otherwise: /absent or was changed/ },
    own,
  ])
  t.equal((await serve(machine)).changes.length, 1)
  await prepare(machine)
  await removeView(machine.host, smallLayout)
  t.strictSame(await machine.host.list('/etc/dbus-1/system.d'), ['other.conf'])
})

void t.test('viewFacility() reports processes without a view', async (t) => {
  const ids = (uid: number) => [uid, uid, uid, uid].join('\t')
  const status = (pid: number) =>
    `Name:\tno\u001bde\nState:\tS (sleeping)\nPid:\t${pid}\nPPid:\t1\nUid:\t${ids(first.uid)}\nGid:\t${ids(first.uid)}\nThreads:\t1\n`
  const view: View = {
    complete: true,
    builtSlots: slots.map((slot) => ({ slot, egress: 'default', free: false })),
    tenants: [],
    routes: [],
    suspended: [],
    goneRoutes: [],
  }
  const none = open({ files: { '/proc/1/mountinfo': common } })
  t.strictSame(await none.facility.inspect!(view, signal), [own])
  const pids = Array.from({ length: 22 }, (_, n) => 100 + n)
  const files = Object.fromEntries(
    pids.flatMap((pid) => [
      [`/proc/${pid}/status`, status(pid)],
      [`/proc/${pid}/mountinfo`, common],
    ]),
  )
  const found = await open({ files: { '/proc/1/mountinfo': common, ...files } }).facility.inspect!(view, signal)
  t.equal(found.length, 21)
  t.match(found[0], {
    works: false,
    what: `process no\\u001bde (pid 100) of ${first.user}`,
    otherwise: new RegExp(`it sees /tmp, /var/tmp, /dev/shm, /proc .*loginctl terminate-user ${first.user}`),
  })
  t.match(found.at(-1), { what: '2 more processes' })
})
