import { execFileSync } from 'node:child_process'
import { createHost } from '@puppy/host'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/index.ts'
import { clearKeyrings, parseKeyrings, parseKeyUsers } from '../../src/release/keyrings.ts'
import { whyNot } from '../support/scratch.ts'

const slots = [0, 1].map((n) => slotAt(defaultLayout, n))
const users = '    0:    44 43/43 31/1000000 590/25000000\n10000:     3 3/3 2/200 42/20000\n'
const line = (name: string, content: string, uid = 10_000) =>
  `1f8c2a3b I--Q---     4 perm 1f3f0000 ${uid} 65534 keyring   ${name}: ${content}\n`
const full =
  line('_uid.10000', '2') +
  line('_uid_ses.10000', '1') +
  line('_persistent.10000', 'empty') +
  '2b1c0d9e I------     1 perm 3f010000 10000 10000 user      a key: 12\n'

void t.test('parseKeyUsers() returns the uids that own keys', (t) => {
  t.strictSame([...parseKeyUsers(users)], [0, 10_000])
  t.end()
})

void t.test('parseKeyrings() returns the lasting keyrings of a uid that are not empty', (t) => {
  t.strictSame(parseKeyrings(full, 10_000), ['_uid.10000: 2', '_uid_ses.10000: 1'])
  t.strictSame(parseKeyrings(full, 10_001), [])
  t.strictSame(parseKeyrings(line('_uid.10000', 'empty') + line('_ses', '3'), 10_000), [])
  t.strictSame(parseKeyrings(line('_uid.10000', '2', 10_001), 10_001), [], 'a keyring with the name of another uid')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (any) => parseKeyrings(any, 10_000).length === 0))
  t.end()
})

/** A kernel without persistent keyrings, whose user keyring `keyctl clear` empties, unless it is stuck. */
function kernel(stuck: boolean, keyctl = true) {
  let keys = full
  const setpriv: FakeProgram = ({ args }) => {
    const [program = '', ...words] = args.slice(args.indexOf('--') + 1)
    if (program.endsWith('/cat')) return { stdout: keys }
    if (words[0] === 'clear' && words[1] === '@u' && !stuck) keys = line('_uid.10000', 'empty')
    return {}
  }
  const programs = { '/usr/bin/setpriv': setpriv, '/usr/bin/cat': () => ({}) }
  return createFakeHost({
    files: { '/proc/key-users': users },
    programs: keyctl ? { ...programs, '/usr/bin/keyctl': () => ({}) } : programs,
  })
}

void t.test('clearKeyrings() empties the keyrings of uids with keys, with their uid', async (t) => {
  const host = kernel(false)
  t.strictSame(await clearKeyrings(host, slots), new Map([[10_000, []]]))
  const cleared = host.commands.filter((command) => command.includes('clear'))
  t.strictSame(
    cleared.map((command) => command.at(-1)),
    ['@us', '@u'],
  )
  for (const command of host.commands)
    t.strictSame(command.slice(1, 4), ['--reuid=10000', '--regid=65534', '--clear-groups'])
})

void t.test('clearKeyrings() reports what is left, and how to remove it', async (t) => {
  t.strictSame(
    await clearKeyrings(kernel(true), slots),
    new Map([[10_000, ['keys in _uid.10000: 2, _uid_ses.10000: 1']]]),
  )
  t.matchOnlyStrict((await clearKeyrings(kernel(false, false), slots)).get(10_000), [/apt-get install keyutils$/])
})

/** A uid that no other test uses: keyrings belong to the machine, not to a folder. */
const own = { ...slotAt(defaultLayout, 0), uid: 61_977 }
const as = (words: readonly string[], input = '') =>
  execFileSync('setpriv', [`--reuid=${own.uid}`, `--regid=${own.uid}`, '--clear-groups', '--', ...words], {
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })

/** Returns why the keyrings of this kernel cannot be tested here, or false. */
function cannotKeep(): string | false {
  const why = whyNot('setpriv', 'keyctl', 'xargs')
  if (why !== false) return why
  try {
    as(['keyctl', 'get_persistent', '@s'])
    return false
  } catch {
    return 'this kernel or container has no persistent keyrings'
  }
}

void t.test('clearKeyrings() empties all three keyrings of the kernel', { skip: cannotKeep() }, async (t) => {
  // In one session, because only a keyring that is possessed takes a key.
  const lines = ['link @u @s', 'link @us @s', 'get_persistent @s'].concat(
    ['@u', '@us', `%:_persistent.${own.uid}`].map((keyring) => `add user left secret ${keyring}`),
  )
  as(['keyctl', 'session', '-', 'xargs', '--max-lines=1', 'keyctl'], lines.join('\n'))
  const read = () => parseKeyrings(as(['cat', '/proc/keys']), own.uid).map((text) => text.split('.')[0])
  t.strictSame(new Set(read()), new Set(['_persistent', '_uid', '_uid_ses']))
  t.strictSame(await clearKeyrings(createHost(), [own]), new Map([[own.uid, []]]))
  t.strictSame(read(), [])
})

void t.test('clearKeyrings() runs nothing without keys', async (t) => {
  const host = createFakeHost({ files: { '/proc/key-users': '    0:    44 43/43 31/1000000 590/25000000\n' } })
  t.strictSame(await clearKeyrings(host, slots), new Map())
  t.strictSame(host.commands, [])
})
