import t from 'tap'
import { planBase, type BaseChangeSet } from '../../src/base/plan.ts'
import type { BaseObservation } from '../../src/base/read.ts'
import { renderGenerator, renderProfile, renderSshd } from '../../src/base/texts.ts'
import { defaultLayout } from '../../src/slots.ts'
import { shown } from '../support/shown.ts'

const dropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
const include = 'Include /etc/ssh/sshd_config.d/*.conf\n'
const empty: BaseObservation = {
  layout: defaultLayout,
  live: true,
  systemd: true,
  sshd: { config: include, usePam: true },
  reloadPending: false,
  folders: new Map(),
  files: new Map(),
}
const folders = new Map(
  ['/etc/puppy', '/etc/puppy/keys', '/etc/puppy/env', '/etc/puppy/released'].map((path) => [
    path,
    { right: true, names: [] as string[] },
  ]),
)
const right: BaseObservation = {
  ...empty,
  folders: folders.set('/etc/puppy', { right: true, names: ['env', 'keys'] }),
  files: new Map([
    ['/etc/profile.d/puppy.sh', { text: renderProfile(), mode: 0o644 }],
    ['/etc/systemd/user-environment-generators/50-puppy', { text: renderGenerator(), mode: 0o755 }],
    [dropIn, { text: renderSshd(defaultLayout), mode: 0o644 }],
  ]),
}
const titles = ({ changes }: BaseChangeSet) => changes.map(({ action, target }) => `${action} ${target}`)

void t.test('planBase() plans folders before files, and a reload of sshd after its drop-in', (t) => {
  const changeSet = planBase('present', empty)
  t.strictSame(titles(changeSet), [
    'make folder /etc/puppy',
    'make folder /etc/puppy/keys',
    'make folder /etc/puppy/env',
    'make folder /etc/puppy/released',
    'write file /etc/profile.d/puppy.sh',
    'write file /etc/systemd/user-environment-generators/50-puppy',
    `write file ${dropIn}`,
    `reload sshd ${dropIn}`,
  ])
  t.strictSame(changeSet.warnings, [])
  t.equal(changeSet.changes.at(-1)?.command, 'systemctl reload ssh.service')
  t.equal(changeSet.changes[5]?.after, 'root 0755')
  t.end()
})

void t.test('planBase() plans nothing where everything is right', (t) => {
  const changeSet = planBase('present', right)
  t.strictSame([titles(changeSet), changeSet.refused], [[], []])
  t.equal(changeSet.targets.length, 7)
  t.end()
})

const differences: readonly (readonly [string, Partial<BaseObservation>, readonly string[]])[] = [
  [
    'a file with another text',
    { files: new Map([...right.files, ['/etc/profile.d/puppy.sh', { text: 'x', mode: 0o644 }]]) },
    ['write file /etc/profile.d/puppy.sh'],
  ],
  [
    'a file with another mode',
    { files: new Map([...right.files, ['/etc/profile.d/puppy.sh', { text: renderProfile(), mode: 0o600 }]]) },
    ['write file /etc/profile.d/puppy.sh'],
  ],
  [
    'a file that is not a plain file of root',
    { files: new Map([...right.files, ['/etc/profile.d/puppy.sh', { mode: 0o644 }]]) },
    ['write file /etc/profile.d/puppy.sh'],
  ],
  [
    'a folder with another mode',
    { folders: new Map([...right.folders, ['/etc/puppy/keys', { right: false, names: [] }]]) },
    ['make folder /etc/puppy/keys'],
  ],
  ['a reload that a killed process left', { reloadPending: true }, [`reload sshd ${dropIn}`]],
  [
    'no reload while sshd refuses its configuration',
    { reloadPending: true, sshd: { config: include, usePam: true, refusal: 'bad' } },
    [],
  ],
  ['no reload below a root folder', { reloadPending: true, live: false }, []],
]
for (const [what, part, expected] of differences) {
  void t.test(`planBase() plans for ${what}`, (t) => {
    t.strictSame(titles(planBase('present', { ...right, ...part })), expected)
    t.end()
  })
}

void t.test('planBase() warns about what is missing on a machine', (t) => {
  const { sshd: _, ...withoutSshd } = empty
  const changeSet = planBase('present', { ...withoutSshd, systemd: false })
  t.matchOnlyStrict(changeSet.warnings, [/sshd is not installed/, /systemd/])
  t.notOk(changeSet.targets.includes(dropIn))
  const warnings = (sshd: BaseObservation['sshd'] & object) => planBase('present', { ...empty, sshd }).warnings
  t.matchOnlyStrict(warnings({ config: 'UsePAM yes\n', usePam: true }), [/does not include/])
  t.matchOnlyStrict(warnings({ config: include, usePam: false }), [/UsePAM no/])
  t.matchOnlyStrict(warnings({ config: include, usePam: true, refusal: 'no folder' }), [
    /existing configuration.*: no folder/,
  ])
  t.end()
})

void t.test('planBase() removes files first, then folders from the inside', (t) => {
  const mine = new Map(right.folders)
  mine.set('/etc/puppy/keys', { right: true, names: ['.puppy-0123456789ab.tmp'] })
  mine.set('/etc/puppy', { right: false, names: ['env', 'keys', 'sshd-reload'] })
  t.strictSame(titles(planBase('absent', { ...right, folders: mine })), [
    'remove file /etc/profile.d/puppy.sh',
    'remove file /etc/systemd/user-environment-generators/50-puppy',
    `remove file ${dropIn}`,
    `reload sshd ${dropIn}`,
    'remove folder /etc/puppy/released',
    'remove folder /etc/puppy/env',
    'remove folder /etc/puppy/keys',
    'remove folder /etc/puppy',
  ])
  t.strictSame(titles(planBase('absent', empty)), [])
  t.end()
})

void t.test('planBase() refuses to remove folders with logins', (t) => {
  const names = ['p10000', 'p10001', 'p10002', 'p10003', 'p10004', 'p10005']
  const changeSet = planBase('absent', {
    ...right,
    folders: new Map([...right.folders, ['/etc/puppy/keys', { right: true, names }]]),
  })
  const code = 'ACCOUNT_FOLDER_IN_USE'
  t.matchOnlyStrict(changeSet.refused.map(shown), [
    { target: '/etc/puppy/keys', code, message: /not empty: p10000, p10001, p10002, p10003, p10004, …; remove/ },
    { target: '/etc/puppy', code, message: /not empty: keys; remove/ },
  ])
  t.strictSame(
    changeSet.changes.flatMap(({ action, target }) => (action === 'remove folder' ? [target] : [])),
    ['/etc/puppy/released', '/etc/puppy/env'],
  )
  t.end()
})
