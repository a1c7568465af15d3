import fc from 'fast-check'
import { createFakeHost } from '@puppy/host/fake'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { activationSteps, parseConfig, policySteps, readState } from '../src/state.ts'

const config = '# a comment\nSELINUX=enforcing\nSELINUXTYPE=default\nSETLOCALDEFS=0\n'
const kernel = (enforce: string) => ({
  '/sys/fs/selinux/enforce': enforce,
  '/sys/fs/selinux/mls': '1',
  '/sys/fs/selinux/policyvers': '33',
  '/etc/selinux/config': config,
})
const stateOf = (files: Record<string, string>) => readState(createFakeHost({ files }))

void t.test('readState() distinguishes off, permissive and enforcing', async (t) => {
  t.strictSame(await stateOf({}), { mode: 'disabled' })
  t.strictSame(await stateOf({ '/etc/selinux/config': config }), {
    mode: 'disabled',
    type: 'default',
    configured: 'enforcing',
  })
  const on = { type: 'default', configured: 'enforcing', mls: true, policyVersion: 33 }
  t.strictSame(await stateOf(kernel('1')), { mode: 'enforcing', ...on })
  t.strictSame(await stateOf(kernel('0')), { mode: 'permissive', ...on })
})

void t.test('readState() refuses files of the kernel in an unknown form', async (t) => {
  await t.rejects(stateOf(kernel('yes')), { code: 'SELINUX_UNREADABLE', message: /enforce/ })
  await t.rejects(stateOf({ '/sys/fs/selinux/enforce': '1' }), { code: 'SELINUX_UNREADABLE', message: /mls/ })
})

/** Texts of /etc/selinux/config, and what libselinux reads in them. `-` stands for no mode. */
const configs: readonly (readonly [text: string, mode: string, type: string])[] = [
  ['', '-', 'targeted'],
  ['SELINUX=enforcing\nSELINUXTYPE=default\n', 'enforcing', 'default'],
  ['SELINUX=enforcing # note\nSELINUXTYPE=mls', 'enforcing', 'mls'],
  ['SELINUX=permissive\nSELINUX=enforcing\nSELINUXTYPE=mls\nSELINUXTYPE=default \t\r\n', 'permissive', 'default'],
  [' SELINUX=enforcing\n SELINUXTYPE=default\n', '-', 'default'],
  ['SELINUX= \tEnforcing\nselinuxtype=default\n', 'enforcing', 'default'],
  ['selinux=enforcing\n', '-', 'targeted'],
  ['SELINUX=enforcingfoo\n', 'enforcing', 'targeted'],
  ['SELINUX=disabled;\nSELINUX=enforcing\n', 'disabled', 'targeted'],
  ['SELINUX=maybe\nSELINUX=permissive\n', 'permissive', 'targeted'],
  ['SELINUX=enforcing SELINUXTYPE=default\n', 'enforcing', 'targeted'],
  ['#SELINUXTYPE=mls\n#SELINUX=enforcing\n', '-', 'targeted'],
  ['SELINUX=permissive\u0000\nSELINUX=enforcing\n', 'permissive', 'targeted'],
  ['x\u0000\nSELINUX=enforcing\u0000x\nSELINUXTYPE=default\u0000x\n', 'enforcing', 'default'],
  ['SELINUX=\fpermissive\r\n\vSELINUXTYPE=mls\r\n', 'permissive', 'mls'],
]

void t.test('parseConfig() returns what libselinux reads', async (t) => {
  for (const [text, mode, type] of configs)
    t.strictSame([parseConfig(text).mode ?? '-', parseConfig(text).type], [mode, type], JSON.stringify(text))
  t.strictSame(parseConfig(undefined), {})
  t.strictSame(parseConfig('SELINUXTYPE=..'), {})
  t.strictSame(parseConfig('SELINUXTYPE=default # note'), {}, 'libselinux looks for a folder with this name')
  t.strictSame(parseConfig('SELINUXTYPE=default\nSELINUXTYPE=\n'), {})
  fc.assert(fc.property(fc.string(), (text) => !`${parseConfig(`SELINUXTYPE=${text}`).type}`.includes('/')))
})

// The modes are in the order of selinux_getenforcemode(3): -1 disabled, 0 permissive, 1 enforcing.
const program = `
import ctypes
lib = ctypes.CDLL("libselinux.so.1")
mode, kind = ctypes.c_int(), ctypes.c_char_p()
known = lib.selinux_getenforcemode(ctypes.byref(mode)) == 0
lib.selinux_getpolicytype(ctypes.byref(kind))
print(["disabled", "permissive", "enforcing"][mode.value + 1] if known else "-", kind.value.decode("latin1"))
`

void t.test('libselinux agrees with the table', { skip: whyNoLibrary() }, async (t) => {
  for (const [text, mode, type] of configs) {
    const etc = t.testdir({ selinux: { config: text } })
    const words = ['--mount', 'sh', '-c', 'mount --bind "$1" /etc && exec python3 -c "$2"', 'sh', etc, program]
    const { stdout, stderr } = spawnSync('unshare', words, { encoding: 'utf8' })
    t.equal(stdout.trim(), `${mode} ${type}`, `${JSON.stringify(text)} ${stderr}`)
  }
})

/** Returns why libselinux cannot be asked here, or false. */
function whyNoLibrary(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to bind a folder over /etc in a mount namespace'
  const { stderr, status } = spawnSync('unshare', ['--mount', 'python3', '-c', program], { encoding: 'utf8' })
  return status === 0 ? false : `python3 cannot load libselinux in a mount namespace: ${stderr.trim().slice(-100)}`
}

void t.test('policySteps() and activationSteps() return the commands for Debian', async (t) => {
  const install = 'apt-get install selinux-basics selinux-policy-default'
  t.strictSame(policySteps(createFakeHost()), [install, 'selinux-activate', 'reboot'])
  t.strictSame(policySteps(createFakeHost({ live: false })), [], 'a folder has no kernel')
  t.strictSame(activationSteps(createFakeHost()), ['apt-get install selinux-basics', 'selinux-activate', 'reboot'])
  const host = createFakeHost({ programs: { '/usr/sbin/selinux-activate': () => ({}) } })
  t.strictSame(activationSteps(host, 'permissive'), ['selinux-activate', 'reboot'])
  t.strictSame(activationSteps(host, 'disabled'), [
    'set SELINUX=permissive in /etc/selinux/config',
    'selinux-activate',
    'reboot',
  ])
})
