import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/index.ts'
import { clearKeyrings, parseKeyrings, parseKeyUsers } from '../../src/release/keyrings.ts'

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

/** A kernel whose keyrings `keyctl clear` empties, except those in `stuck`. */
function kernel(stuck: boolean, keyctl = true) {
  let keys = full
  const setpriv: FakeProgram = ({ args }) => {
    const [program = '', ...words] = args.slice(args.indexOf('--') + 1)
    if (program.endsWith('/cat')) return { stdout: keys }
    if (words[0] === 'get_persistent') return { stdout: '12345\n' }
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
    ['12345', '@us', '@u'],
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

void t.test('clearKeyrings() runs nothing without keys', async (t) => {
  const host = createFakeHost({ files: { '/proc/key-users': '    0:    44 43/43 31/1000000 590/25000000\n' } })
  t.strictSame(await clearKeyrings(host, slots), new Map())
  t.strictSame(host.commands, [])
})
