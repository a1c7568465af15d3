import t from 'tap'
import { parseDenial } from '../../src/denials/denial.ts'
import { groupDenials } from '../../src/denials/report.ts'
import { suggest } from '../../src/denials/suggest.ts'
import { lines } from '../support/denials.ts'

const of = (line: string) => suggest(groupDenials([parseDenial(line)!])[0]!)
const home = (context: string) =>
  lines[0]!.replace(/path="[^"]*"/, 'path="/home/p2/a"').replace(/tcontext=\S+/, `tcontext=${context}`)

void t.test('suggest() explains each kind, and suggests no rule between tenants', async (t) => {
  t.strictSame(of(lines[0]!), {
    kind: 'rule',
    message:
      'the policy has no rule that allows user_t the acts getattr on the file cgroup:[4026531835] of type nsfs_t',
    cil: '(allow user_t nsfs_t (file (getattr)))\n',
  })
  t.match(of(lines[1]!), { kind: 'rule', cil: '(allow user_t crond_tmp_t (file (read write)))\n' })
  t.match(of(lines[2]!), { kind: 'port', message: /port 15000 has the level s0:c0\.c1023/ })
  const apart = of(home('puppy_u:object_r:user_home_t:s0:c0,c2'))
  t.match(apart, { kind: 'apart', message: /the file \/home\/p2\/a has the level s0:c0,c2 of another tenant/ })
  t.notOk('cil' in apart)
  t.match(of(home('system_u:object_r:puppy_etc_t:s0:c0,c2')), { kind: 'level', message: /not meant for this tenant/ })
  const signal = lines[0]!
    .replace('tclass=file', 'tclass=process')
    .replace(/tcontext=\S+/, 'tcontext=system_u:system_r:crond_t:s0-s0:c0.c1023')
  t.match(of(signal), { kind: 'rule' }, 'a service with every level is not a tenant')
  t.match(of(home('unconfined_u:object_r:user_home_t:s0')), { kind: 'context', message: /unconfined_u.*relabel/ })
})

void t.test('suggest() renders no rule with invalid words', async (t) => {
  const example = parseDenial(lines[0]!)!
  const [group] = groupDenials([{ ...example, class: 'file) (allow' }])
  t.notOk('cil' in suggest(group!))
})
