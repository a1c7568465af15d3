import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { probe } from '../src/probe.ts'

void t.test('probe() says what is missing and which package brings it', async (t) => {
  const abilities = await probe(createFakeHost({ programs: { '/usr/bin/ssh-keygen': () => ({}) } }))
  t.strictSame(
    abilities.map(({ name, works }) => [name, works]),
    [
      ['pool', false],
      ['keys', true],
      ['logins', false],
      ['eviction', false],
      ['linger', false],
    ],
  )
  t.match(abilities[0]?.why, /systemd-standalone-sysusers/)
  t.match(abilities.at(-1)?.why, /systemd does not run/)
})

void t.test('probe() finds linger where systemd runs', async (t) => {
  const abilities = await probe(createFakeHost({ files: { '/run/systemd/system/x': '' } }))
  t.strictSame(abilities.at(-1), { name: 'linger', works: true })
})
