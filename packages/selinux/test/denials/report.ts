import t from 'tap'
import { parseDenial } from '../../src/denials/denial.ts'
import { groupDenials } from '../../src/denials/report.ts'
import { lines } from '../support/denials.ts'

void t.test('groupDenials() counts by level and kind, the most first', async (t) => {
  const denials = [...lines, lines[1]!, 'nonsense'].flatMap((line) => parseDenial(line) ?? [])
  const groups = groupDenials(denials)
  t.strictSame(
    groups.map(({ count, level, acts, source, target }) => [count, level, acts.join(' '), source, target]),
    [
      [2, 's0:c0,c1', 'read write', 'user_t', 'crond_tmp_t'],
      [1, 's0-s0:c0.c1023', 'relabelfrom', 'semanage_t', 'semanage_store_t'],
      [1, 's0:c0,c2', 'name_bind', 'user_t', 'puppy_port_t'],
      [1, 's0:c0,c1', 'getattr', 'user_t', 'nsfs_t'],
    ],
  )
  t.strictSame(groups[0]?.example, parseDenial(lines[1]!))
  t.strictSame(groupDenials([]), [])
})
