import fc from 'fast-check'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import {
  busyNeighbours,
  parseOldLinks,
  parsePortRuleLink,
  readPortRuleLinks,
  renderOldLinks,
  areComplete,
} from '../../src/systemd/port-rules.ts'

/** Renders the file as Linux 6.12 does for process 1 of Debian 13. */
const text = (type: number) =>
  `pos:\t0\nflags:\t02000000\nmnt_id:\t17\nino:\t1034\nlink_type:\tcgroup\nlink_id:\t5\nprog_tag:\t378f991df5870a2f\nprog_id:\t154\ncgroup_id:\t2960\nattach_type:\t${type}\n`

void t.test('parsePortRuleLink() accepts only programs for bind(2)', async (t) => {
  t.strictSame(parsePortRuleLink(text(8)), { id: 5, group: 2960n, family: 'inet' })
  t.strictSame(parsePortRuleLink(text(9)), { id: 5, group: 2960n, family: 'inet6' })
  t.equal(parsePortRuleLink(text(10)), undefined, 'connect(2)')
  t.equal(parsePortRuleLink(text(8).replace('cgroup\n', 'tracing\n')), undefined)
  t.equal(parsePortRuleLink('pos:\t0\nflags:\t02\n'), undefined)
  t.equal(parsePortRuleLink(text(8).slice(0, 90)), undefined, 'cut short')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(140), (hostile, at) => {
      const link = parsePortRuleLink(text(8).slice(0, at) + hostile)
      return link === undefined || (Number.isInteger(link.id) && link.group >= 0n)
    }),
  )
})

void t.test('readPortRuleLinks() reads the links of process 1, and returns undefined when it cannot', async (t) => {
  const host = createFakeHost({
    files: { '/proc/1/fdinfo/7': text(8), '/proc/1/fdinfo/8': text(9), '/proc/1/fdinfo/0': '' },
  })
  const links = await readPortRuleLinks(host)
  t.strictSame([...(links?.keys() ?? [])], [2960n])
  t.ok(areComplete(links?.get(2960n) ?? []))
  t.notOk(areComplete((links?.get(2960n) ?? []).slice(1)), 'one family is not complete')
  const closed = createFakeHost({ files: { '/proc/1/fdinfo/7/x': '' } })
  t.equal(await readPortRuleLinks(closed), undefined)
})

void t.test('busyNeighbours() returns the sibling slices', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  place('user.slice/user-1.slice/session-1.scope', 1)
  place('user.slice/user-2.slice', 2)
  place('user.slice/other.scope', 3)
  place('system.slice/x.service', 4)
  t.strictSame(busyNeighbours(cgroupfs, ['user-9.slice', 'user-1.slice']), ['user-1.slice', 'user-2.slice'])
})

void t.test('parseOldLinks() parses the record of renderOldLinks(), and accepts any text', async (t) => {
  const old = new Map([
    ['user-1.slice', [3, 4]],
    ['user-2.slice', []],
  ])
  t.strictSame(parseOldLinks(renderOldLinks(old)), old)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (hostile) =>
      [...parseOldLinks(hostile).values()].flat().every((id) => Number.isInteger(id)),
    ),
  )
})
