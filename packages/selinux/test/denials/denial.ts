import fc from 'fast-check'
import t from 'tap'
import { parseDenial } from '../../src/denials/denial.ts'
import { lines } from '../support/denials.ts'

void t.test('parseDenial() reads what the kernel wrote', async (t) => {
  const [first, second, third] = lines.map(parseDenial)
  t.match(first, {
    at: 1_795_289_967_943,
    acts: ['getattr'],
    class: 'file',
    pid: 635,
    command: 'systemctl',
    enforced: true,
  })
  t.match(second, { acts: ['read', 'write'], object: '/tmp/#48 (deleted)' })
  t.match(third, { object: '15000', enforced: false, target: { type: 'puppy_port_t' } })
  t.equal(parseDenial('type=SYSCALL msg=audit(1.000:1): x'), undefined)
  t.equal(parseDenial(lines[0]!.replace('scontext=puppy_u:user_r:user_t', 'scontext=x')), undefined)
})

void t.test('parseDenial() reads the kernel’s own log', async (t) => {
  const kernel = lines[0]!.replace('type=AVC msg=', '[  123.456789] audit: type=1400 ')
  t.match(parseDenial(kernel), { command: 'systemctl', at: 1_795_289_967_943 })
  t.equal(parseDenial(`x ${kernel}`), undefined)
})

void t.test('parseDenial() is not led astray by what tenants call their programs and files', async (t) => {
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
