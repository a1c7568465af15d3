import t from 'tap'
import { faultsOf } from '../../src/limits/check.ts'
import { differencesOf } from '../../src/limits/compare.ts'
import { faultOfValue, type LimitValue } from '../../src/limits/kinds.ts'
import { parseLimits } from '../../src/limits/parse.ts'
import { renderProperties } from '../../src/limits/properties.ts'
import { limitsWith, limitTable, type LimitName, type LimitRow } from '../../src/limits/table.ts'
import { planWrites } from '../../src/limits/writes.ts'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups } from '../../src/fake.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'
import { openSlices } from '../../src/systemd/slices.ts'

const names = Object.keys(limitTable) as readonly LimitName[]

/** Returns valid values of a row, from its schema: the smallest, the largest, and others. */
function valuesOf({ schema, orMax }: LimitRow): readonly LimitValue[] {
  const lifted = orMax ? ['max'] : []
  if (schema.type === 'boolean') return [true, false]
  if (schema.type === 'string') return ['0', '0-2,5']
  if (schema.type === 'number') return [0.01, 1, schema.maximum, ...lifted]
  return [schema.minimum, schema.minimum + 1, schema.maximum - 1, schema.maximum, ...lifted]
}

/** Returns invalid values of a row, from its schema. */
function wrongOf({ schema, orMax }: LimitRow): readonly unknown[] {
  const never = [null, [], {}, Number.NaN, Infinity, -1, '', ...(orMax ? [] : ['max'])]
  if (schema.type === 'integer')
    return [...never, schema.minimum - 1, schema.maximum + 1, schema.minimum + 0.5, '1', true]
  if (schema.type === 'number') return [...never, schema.exclusiveMinimum, schema.maximum * 2, '1', true]
  return [...never, 5]
}

for (const name of names) {
  const row = limitTable[name]
  void t.test(`limitTable: ${name} is checked, rendered and parsed back to the same value`, async (t) => {
    t.strictSame(row.path, name.split('.'))
    for (const value of valuesOf(row)) {
      const limits = limitsWith(name, value)
      t.strictSame(faultsOf(limits), [], `${value}`)
      const [write] = planWrites(limits)
      t.equal(write?.file, row.file)
      t.strictSame(row.parse(row.render(row.round(value))), row.round(value), `${value} is parsed as it was rendered`)
      if (row.property === undefined) {
        t.throws(() => renderProperties(limits), { code: 'CGROUP_INVALID', message: /no property/ })
        continue
      }
      const [line = ''] = renderProperties(limits)
      t.ok(line.startsWith(`${row.property}=`), line)
      const text = row.renderProperty(row.round(value))
      if (row.kind !== 'flag') t.strictSame(row.parseProperty(text), row.round(value), text)
    }
    for (const value of wrongOf(row)) {
      t.not(faultOfValue(row, value), undefined, JSON.stringify(value))
      t.strictSame(
        faultsOf(limitsWith(name, value as LimitValue)).map((fault) => fault.name),
        [name],
        JSON.stringify(value),
      )
    }
  })

  void t.test(`limitTable: ${name} can be set in a group`, async (t) => {
    const { cgroupfs, place } = createFakeCgroupfs()
    const path = parseCgroupPath('a')
    await cgroupfs.write(rootPath, 'cgroup.subtree_control', '+cpu +cpuset +io +memory +pids')
    place('a', 1)
    const read = () => parseLimits((file) => cgroupfs.read(path, file), limitsWith(name, row.initial))
    const initial = row.initial === '' ? {} : limitsWith(name, row.initial)
    t.strictSame(differencesOf(initial, read()), [], 'a new group has the initial value of the table')
    for (const value of valuesOf(row)) {
      // Larger numbers of JavaScript are not exact to a page.
      const limits = limitsWith(name, value === Number.MAX_SAFE_INTEGER ? 2 ** 52 : value)
      for (const write of planWrites(limits)) await cgroupfs.write(path, write.file, write.value)
      t.strictSame(differencesOf(limits, read()), [], `${value}`)
    }
  })

  if (row.property === undefined) continue
  void t.test(`limitTable: ${name} can be set in a slice`, async (t) => {
    const { cgroupfs, programs, files, login } = createFakeCgroups()
    const host = createFakeHost({
      programs,
      files: { ...files, '/sys/block/sda/dev': '8:0\n' },
    })
    const slices = openSlices(host, { cgroupfs })
    await slices.ensure([])
    await login('user-5.slice', 1)
    for (const value of valuesOf(row)) {
      const limits = limitsWith(name, value === Number.MAX_SAFE_INTEGER ? 2 ** 52 : value)
      const { results } = await slices.ensure([{ slice: 'user-5.slice', limits }])
      t.strictSame(
        results.map(({ status, error }) => [status, error?.message]),
        [['applied', undefined]],
        `${value}`,
      )
    }
  })
}
