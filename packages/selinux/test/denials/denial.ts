import fc from 'fast-check'
import t from 'tap'
import { parseContext } from '../../src/context.ts'
import { parseDenial } from '../../src/denials/denial.ts'
import { lines } from '../support/denials.ts'

void t.test('parseDenial() parses lines of the kernel', async (t) => {
  const [first, second, third] = lines.map(parseDenial)
  t.strictSame(first, {
    at: 1_795_289_967_943,
    acts: ['getattr'],
    class: 'file',
    source: parseContext('puppy_u:user_r:user_t:s0:c0,c1'),
    target: parseContext('system_u:object_r:nsfs_t:s0'),
    pid: 635,
    command: 'systemctl',
    object: 'cgroup:[4026531835]',
    enforced: true,
  })
  t.strictSame([second?.acts, second?.object], [['read', 'write'], '/tmp/#48 (deleted)'])
  t.match(third, { object: '15000', enforced: false, target: { type: 'puppy_port_t' } })
  t.equal(parseDenial('type=SYSCALL msg=audit(1.000:1): x'), undefined)
  t.equal(parseDenial(lines[0]!.replace('scontext=puppy_u:user_r:user_t', 'scontext=x')), undefined)
})

void t.test('parseDenial() parses lines of the kernel log', async (t) => {
  const kernel = lines[0]!.replace('type=AVC msg=', '[  123.456789] audit: type=1400 ')
  t.match(parseDenial(kernel), { command: 'systemctl', at: 1_795_289_967_943 })
  t.equal(parseDenial(`x ${kernel}`), undefined)
})

void t.test('parseDenial() decodes texts as ausearch -i does, and nothing else', async (t) => {
  const rows: [raw: string, decoded: string][] = [
    ['612062', 'a b'],
    ['2F61C3A9', '/a\u00E9'],
    ['31203232', '1 22'],
    ['20', ' '],
    ['0031323334', '\u00001234'],
    ['(null)', '(null)'],
    ['61206', '61206'],
    ['"612062"', '612062'],
  ]
  for (const [raw, command] of rows) {
    t.equal(parseDenial(lines[0]!.replace('comm="systemctl"', `comm=${raw}`))?.command, command, `comm=${raw}`)
    t.equal(parseDenial(lines[0]!.replace(/path="[^"]*"/, `path=${raw}`))?.object, command, `path=${raw}`)
  }
  t.match(parseDenial(lines[2]!.replace('src=15000', 'src=150000')), { object: '150000' })
})

void t.test('parseDenial() ignores contexts in names of programs and files', async (t) => {
  const forged = lines[0]!.replace('comm="systemctl"', 'comm="a scontext=root:r:t:s0"')
  t.match(parseDenial(forged), { source: { user: 'puppy_u' } })
  const unescaped = forged.replace('dev=', 'cmdline="x" scontext=root:r:t:s0 dev=')
  t.match(parseDenial(unescaped), { source: { user: 'puppy_u' }, command: 'a scontext=root:r:t:s0' })
  fc.assert(fc.property(fc.string(), (text) => parseDenial(text) === undefined))
  fc.assert(
    fc.property(fc.nat(lines[0]!.length), fc.string(), (at, text) => {
      const denial = parseDenial(lines[0]!.slice(0, at) + text)
      return denial === undefined || typeof denial.at === 'number'
    }),
  )
})

// A line of systemd on Debian 13 after a user asked it to stop a unit. It contains the words of the user.
const service = (words: string, tail: string) =>
  `type=USER_AVC msg=audit(1795290100.001:4600): pid=1 uid=0 auid=4294967295 ses=4294967295 subj=system_u:system_r:init_t:s0 msg='avc:  denied  { stop } for auid=10000 uid=10000 gid=10000 path="/usr/lib/systemd/system/cron.service" cmdline="systemctl stop cron ${words}"${tail} exe="/usr/lib/systemd/systemd" sauid=0 hostname=? addr=? terminal=?'`
const real =
  ' scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:crond_unit_t:s0 tclass=service permissive=0'
const forged =
  ' scontext=puppy_u:user_r:user_t:s0:c1,c2 tcontext=system_u:object_r:shadow_t:s0 tclass=file permissive=0'

void t.test('parseDenial() uses the contexts of a service and not those of its caller', async (t) => {
  const plain = parseDenial(service('', real))
  t.strictSame(
    [plain?.acts, plain?.class, plain?.object],
    [['stop'], 'service', '/usr/lib/systemd/system/cron.service'],
  )
  const misled = parseDenial(service(forged, real))
  t.strictSame([misled?.class, misled?.source], ['service', parseContext('puppy_u:user_r:user_t:s0:c0,c1')])
  t.equal(
    parseDenial(service(`${'x'.repeat(900)}${forged}`, '')),
    undefined,
    'a message that may be cut off is ignored',
  )
  t.equal(
    parseDenial(service(` exe=x${forged} ${'x'.repeat(900)}`, '')),
    undefined,
    'a word of the caller does not end the message of the service',
  )
})

void t.test('parseDenial() takes time in proportion to the length', async (t) => {
  const started = performance.now()
  for (const word of ['avc:  denied  { a } for  ', ' scontext=a', ' exe=', 'a', '"', 'a="', ' ', '{ '])
    for (const end of ['', '\r', '\u2028'])
      parseDenial(lines[0]!.replace('pid=', `${word.repeat(200_000 / word.length)}${end} pid=`))
  t.ok(performance.now() - started < 5000, 'lines of 200,000 characters')
})

void t.test('parseDenial() refuses words that a policy cannot have', async (t) => {
  for (const [from, to] of [
    ['tclass=file', 'tclass=\u001b]0;x\u0007'],
    ['tclass=file', 'tclass=File'],
    ['{ getattr }', '{ get\u001battr }'],
    ['tcontext=system_u', 'tcontext=\u001b'],
  ] as const)
    t.equal(parseDenial(lines[0]!.replace(from, to)), undefined, JSON.stringify(to))
})
