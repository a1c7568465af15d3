import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHost } from '@puppy/host'
import { scratchFolder } from '@puppy/host/testing'
import t from 'tap'
import { openFirewall } from '../src/firewall.ts'
import { renderCommands } from '../src/nft/render.ts'
import type { NftCommand } from '../src/nft/table.ts'
import { firewallConforms } from './support/conformance.ts'
import { cannotRun, createLab } from './support/lab.ts'
import { crowd, settings } from './support/settings.ts'
import { changesOf } from './support/changes-of.ts'

void t.test('openFirewall() with the real nft passes the conformance suite', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  await firewallConforms(t, {
    open: (table) => lab.open(table === undefined ? {} : { table }),
    meddle: async (...commands) => {
      const file = join(scratchFolder(t), 'commands.json')
      await writeFile(file, renderCommands(commands as readonly NftCommand[]))
      await lab.nft('-j', '-f', file)
    },
    flushRuleset: async () => void (await lab.nft('flush', 'ruleset')),
    tables: async () =>
      [...(await lab.nft('list', 'tables', 'inet')).matchAll(/table inet (\S+)/g)].map(([, name = '']) => name),
  })
})

void t.test('ensure() does not change foreign tables of any shape', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  await lab.nftScript(`
    table ip nat { chain prerouting { type nat hook prerouting priority dstnat; }; map m { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.1 }; }; }
    table ip6 filter { set s { type ipv6_addr; flags interval, timeout; }; counter c { }; quota q { over 1 mbytes }; }
    table inet firewalld { chain filter_IN { type filter hook input priority 10; policy drop; ct state established accept; }; }
    table bridge b { chain c { type filter hook forward priority 0; ether saddr 00:11:22:33:44:55 drop; }; }
    table arp a { chain c { type filter hook input priority 0; }; }
    table inet puppy-not-ours { comment "ours is another"; set own { type mark; elements = { 7 }; }; }`)
  const others = async () => (await lab.nft('list', 'ruleset')).replace(/table inet puppy \{[\s\S]*?\n\}\n/, '').trim()
  const before = await others()
  await lab.firewall.ensure(settings)
  await lab.nft('add', 'chain', 'inet', 'puppy', 'foreign')
  await lab.firewall.ensure({ ...settings, slots: settings.slots.slice(1) })
  t.equal(await others(), before)
  await lab.firewall.remove()
  t.equal(await others(), before)
})

void t.test(
  'a transaction that fails in the middle changes nothing, and the error names the command',
  { skip: cannotRun },
  async (t) => {
    const lab = await createLab(t)
    await lab.firewall.ensure(settings)
    await lab.nftScript('table inet puppy { chain answer { drop; }; }')
    const before = await lab.nft('list', 'ruleset')
    const commands = t.testdir({
      nft: `#!/bin/sh\ncase "$*" in *-f*) f=$(eval echo \\$$#); sed -i 's/"chain":"answer","comment"/"chain":"nowhere","comment"/' "$f";; esac\nexec /usr/sbin/nft "$@"\n`,
    })
    await chmod(`${commands}/nft`, 0o755)
    const spoiled = lab.open({ nft: `${commands}/nft` })
    const error = await spoiled.ensure({ ...settings, callers: [0] }).catch((reason: unknown) => reason)
    t.match(error, { code: 'FIREWALL_REFUSED', message: /answer-own.*nothing was changed.*No such file/ })
    t.equal(await lab.nft('list', 'ruleset'), before, 'the previous rules stay in force')
  },
)

void t.test(
  'ensure() reports an nft that hangs, prints wrong output or does not exist',
  { skip: cannotRun },
  async (t) => {
    const lab = await createLab(t)
    const folder = t.testdir({ hangs: '#!/bin/sh\nexec sleep 60\n', babbles: '#!/bin/sh\necho "{}"\n' })
    for (const name of ['hangs', 'babbles']) await chmod(`${folder}/${name}`, 0o755)
    const started = performance.now()
    await t.rejects(lab.open({ nft: `${folder}/hangs` }).ensure(settings, { timeout: 200 }), {
      code: 'FIREWALL_TIMEOUT',
    })
    t.ok(performance.now() - started < 25_000, 'it ends long before the default timeout')
    await t.rejects(lab.open({ nft: `${folder}/babbles` }).ensure(settings), { code: 'FIREWALL_UNREADABLE' })
    t.match(await lab.open({ nft: `${folder}/babbles` }).probe(), {
      works: false,
      error: { code: 'FIREWALL_UNREADABLE' },
    })
    await t.rejects(openFirewall(createHost(), { nft: '/no/such/nft' }).ensure(settings), {
      code: 'FIREWALL_NOT_INSTALLED',
    })
    t.equal(await lab.firewall.read(), undefined)
  },
)

void t.test(
  'with two writers of different specs, a call rejects or the last one wins',
  { skip: cannotRun },
  async (t) => {
    const lab = await createLab(t)
    const specs = [crowd(100), crowd(200)]
    const results = await Promise.allSettled(
      specs.flatMap((spec) => [lab.open().ensure(spec), lab.open().ensure(spec), lab.open().ensure(spec)]),
    )
    for (const result of results) {
      if (result.status === 'rejected') t.match(result.reason, { code: /^FIREWALL_(CONFLICT|REFUSED)$/ })
    }
    const left = await Promise.all(specs.map((spec) => changesOf(lab.firewall, spec)))
    const rejected = results.some(({ status }) => status === 'rejected')
    t.ok(
      rejected || left.some((changes) => changes.length === 0),
      'the table matches one spec completely, or a call rejected',
    )
    await lab.firewall.ensure(crowd(100))
    t.strictSame(await changesOf(lab.firewall, crowd(100)), [])
  },
)

void t.test('ensure() loads 2,816 slots correctly in one transaction', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const { changes } = await lab.firewall.ensure(crowd(2816))
  t.strictSame(
    changes.map(({ target, action }) => `${action} ${target}`),
    ['add table'],
    'no second transaction was needed',
  )
})

void t.test('ensure() loads 10,000 slots, adds one and reads them back', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const many = crowd(10_000, 5)
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const started = performance.now()
    await work()
    t.comment(`${what}: ${(performance.now() - started).toFixed(0)} ms`)
  }
  await timed('10,000 slots', () => lab.firewall.ensure({ ...many, slots: many.slots.slice(0, -1) }))
  await timed('one more', () => lab.firewall.ensure(many))
  await timed('no change', async () => t.equal((await lab.firewall.ensure(many)).changed, false))
  t.equal((await lab.firewall.traffic()).length, 10_000)
})
