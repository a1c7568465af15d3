import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/index.ts'
import { clearLastLogins, readCoreDumps, readJournals, readRecords, rotateJournals } from '../../src/release/records.ts'

const slots = [0, 1].map((n) => slotAt(defaultLayout, n))
const uids = new Set([10_000])
const boot = '0f6a6f1e0f6a6f1e0f6a6f1e0f6a6f1e'

void t.test('readRecords() finds files by name and by uid', async (t) => {
  const own = ['/var/mail/p10000', '/var/spool/cron/crontabs/p10001', '/run/sudo/ts/10000', '/run/faillock/p10000']
  const others = ['/var/mail/p10002', '/run/sudo/ts/10002', '/run/faillock/10000', '/var/mail/10000']
  const host = createFakeHost({ files: Object.fromEntries([...own, ...others].map((path) => [path, 'x'])) })
  t.strictSame((await readRecords(host, slots)).toSorted(), own.toSorted())
})

void t.test('readCoreDumps() finds the core dumps of a uid, whatever the name of the program', async (t) => {
  const folder = '/var/lib/systemd/coredump'
  const own = [`core.node.10000.${boot}.4242.1766000000000000.zst`, `core.a.10001.${boot}.b.10000.${boot}.1.2`]
  const others = [
    `core.node.10001.${boot}.4242.1766000000000000.zst`,
    `core.10000.node`,
    `core.x.10000.${boot}.b.10001.${boot}.1.2`,
  ]
  const files = Object.fromEntries([...own, ...others].map((name) => [`${folder}/${name}`, 'x']))
  const found = await readCoreDumps(createFakeHost({ files }), uids)
  t.strictSame(found.toSorted(), own.map((name) => `${folder}/${name}`).toSorted())
})

void t.test('readJournals() finds the journals of a uid', async (t) => {
  const files = {
    '/var/log/journal/m/user-10000.journal': '',
    '/run/log/journal/m/user-10000@0-1.journal': '',
    '/var/log/journal/m/user-10001.journal': '',
    '/var/log/journal/m/system.journal': '',
  }
  const host = createFakeHost({
    files: { ...files, '/run/systemd/system/x': '' },
    programs: { '/usr/bin/journalctl': () => ({}) },
  })
  t.strictSame((await readJournals(host, uids)).toSorted(), Object.keys(files).slice(0, 2).toSorted())
  await rotateJournals(host, new Set([10_007]), {})
  t.strictSame(host.commands, [])
  await rotateJournals(host, uids, {})
  t.strictSame(host.commands, [['/usr/bin/journalctl', '--rotate']])
})

void t.test('clearLastLogins() clears the records that exist, and ignores that a program fails', async (t) => {
  const fails = () => ({ exitCode: 7 })
  const programs = { '/usr/bin/lastlog': fails, '/usr/bin/lastlog2': () => ({}) }
  const empty = createFakeHost({ files: { '/var/log/lastlog': '' }, programs })
  await clearLastLogins(empty, slots, {})
  t.strictSame(empty.commands, [])
  const host = createFakeHost({
    files: { '/var/log/lastlog': 'x', '/var/lib/lastlog/lastlog2.db': 'x' },
    programs,
  })
  await clearLastLogins(host, slots, {})
  t.strictSame(
    host.commands.map(([program, ...words]) => [program, words.at(-1)]),
    [
      ['/usr/bin/lastlog', 'p10000'],
      ['/usr/bin/lastlog', 'p10001'],
      ['/usr/bin/lastlog2', 'p10000'],
      ['/usr/bin/lastlog2', 'p10001'],
    ],
  )
})
