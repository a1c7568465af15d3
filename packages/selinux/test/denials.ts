import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { groupDenials, parseDenial, readDenials } from '../src/denials.ts'

// ausearch --input-logs -m AVC on Debian 13 (Linux 6.12), 2026-11-21
const lines = [
  'type=AVC msg=audit(1795289967.943:4477): avc:  denied  { getattr } for  pid=635 comm="systemctl" path="cgroup:[4026531835]" dev="nsfs" ino=4026531835 scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:nsfs_t:s0 tclass=file permissive=0',
  'type=AVC msg=audit(1795290001.779:4516): avc:  denied  { read write } for  pid=732 comm="sh" path=2F746D702F233438202864656C6574656429 dev="tmpfs" ino=48 scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:crond_tmp_t:s0 tclass=file permissive=0',
  'type=AVC msg=audit(1795290002.000:4517): avc:  denied  { name_bind } for  pid=9 comm="MainThread" src=15000 scontext=puppy_u:user_r:user_t:s0:c0,c2 tcontext=system_u:object_r:puppy_port_t:s0:c0.c1023 tclass=tcp_socket permissive=1',
  'type=AVC msg=audit(1795291726.994:1530): avc:  denied  { relabelfrom } for  pid=599 comm="semodule" name="default" dev="vda" ino=133388 scontext=unconfined_u:unconfined_r:semanage_t:s0-s0:c0.c1023 tcontext=unconfined_u:object_r:semanage_store_t:s0 tclass=dir permissive=0',
]

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

void t.test('groupDenials() counts by level and kind, the most first', async (t) => {
  const denials = [...lines, lines[1]!, 'nonsense'].flatMap((line) => parseDenial(line) ?? [])
  t.match(groupDenials(denials), [
    { count: 2, level: 's0:c0,c1', source: 'user_t', target: 'crond_tmp_t' },
    { count: 1, target: 'semanage_store_t' },
    { count: 1, level: 's0:c0,c2', acts: ['name_bind'] },
    { count: 1 },
  ])
  t.strictSame(groupDenials([]), [])
})

void t.test('readDenials() gives the tenants’ own', async (t) => {
  const files = { '/var/log/audit/audit.log': '' }
  const host = createFakeHost({ files, programs: { '/bin/tail': () => ({ stdout: lines.join('\n') }) } })
  t.equal((await readDenials(host)).length, 3)
  t.equal((await readDenials(host, { user: 'unconfined_u' })).length, 1)
  t.strictSame(await readDenials(createFakeHost()), [])
})
