import t from 'tap'
import { parseDenial } from '../../src/denials/denial.ts'
import { groupDenials } from '../../src/denials/report.ts'
import { lines } from '../support/denials.ts'

void t.test('groupDenials() counts by level and kind, the largest group first', async (t) => {
  const denials = [...lines, lines[1]!, 'nonsense'].flatMap((line) => parseDenial(line) ?? [])
  t.strictSame(
    groupDenials(denials).map(({ count, level, source, acts, class: name, target }) => [
      count,
      level,
      `${source} ${acts.join(' ')} ${name} ${target}`,
    ]),
    [
      [2, 's0:c0,c1', 'user_t read write file crond_tmp_t'],
      [1, 's0-s0:c0.c1023', 'semanage_t relabelfrom dir semanage_store_t'],
      [1, 's0:c0,c2', 'user_t name_bind tcp_socket puppy_port_t'],
      [1, 's0:c0,c1', 'user_t getattr file nsfs_t'],
    ],
  )
  t.strictSame(groupDenials([]), [])
})
