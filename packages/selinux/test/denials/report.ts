import t from 'tap'
import { parseDenial } from '../../src/denials/denial.ts'
import { groupDenials } from '../../src/denials/report.ts'
import { lines } from '../support/denials.ts'

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
