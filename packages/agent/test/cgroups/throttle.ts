import { planSlices, type Limits } from '@puppy/cgroups'
import { faultsOf, limitTable, type LimitRow, type LimitValue } from '@puppy/cgroups/limits'
import { renderProperties } from '@puppy/cgroups/parse'
import fc from 'fast-check'
import t from 'tap'
import { throttledLimits } from '../../src/cgroups/throttle.ts'

const disk = [{ device: '254:16', rbps: 1_048_576, wbps: 1_048_576, riops: 100, wiops: 100 }]
const rows: readonly (readonly [title: string, limits: Limits, device: string | undefined, throttled: Limits])[] = [
  ['limits that are absent', {}, '254:16', { cpu: { max: 0.1, weight: 1 }, pids: { max: 32 }, io: { max: disk } }],
  [
    'limits that are lifted, and keeps memory',
    { cpu: { max: 'max', weight: 500 }, memory: { max: 5 }, pids: { max: 'max' }, io: { weight: 500 } },
    '254:16',
    { cpu: { max: 0.1, weight: 1 }, memory: { max: 5 }, pids: { max: 32 }, io: { weight: 1, max: disk } },
  ],
  [
    'no limit that is lower already',
    { cpu: { max: 0.05 }, pids: { max: 8 }, io: { weight: 1 } },
    undefined,
    { cpu: { max: 0.05, weight: 1 }, pids: { max: 8 }, io: { weight: 1 } },
  ],
  [
    'an idle group without a weight',
    { cpu: { idle: true } },
    undefined,
    { cpu: { max: 0.1, idle: true }, pids: { max: 32 } },
  ],
  [
    'a disk that the plan already limits',
    {
      io: {
        max: [
          { device: '8:0', rbps: 5 },
          { device: '254:16', rbps: 7, wbps: 'max' },
        ],
      },
    },
    '254:16',
    {
      cpu: { max: 0.1, weight: 1 },
      pids: { max: 32 },
      io: {
        max: [
          { device: '8:0', rbps: 5 },
          { ...disk[0], device: '254:16', rbps: 7 },
        ],
      },
    },
  ],
]
for (const [title, limits, device, throttled] of rows) {
  void t.test(`throttledLimits() tightens ${title}`, async (t) => {
    t.strictSame(throttledLimits(limits, device), throttled)
  })
}

/** Every limit that a slice can have, including those of plans. */
const sliceRows = Object.values(limitTable).filter(({ property }) => property !== undefined)
const devices = ['8:0', '254:16'] as const

/** Returns values that the schema of a limit allows. */
function valueOf({ schema, orMax }: LimitRow): fc.Arbitrary<LimitValue> {
  if (schema.type === 'boolean') return fc.boolean()
  if (schema.type === 'string') return fc.constantFrom('0', '0-2,5')
  const number =
    schema.type === 'integer'
      ? fc.oneof(
          fc.integer({ min: schema.minimum, max: Math.min(schema.maximum, 200) }),
          fc.maxSafeInteger().filter((value) => value >= schema.minimum && value <= schema.maximum),
        )
      : fc.double({ min: schema.exclusiveMinimum, minExcluded: true, max: schema.maximum, noNaN: true })
  return orMax ? fc.oneof(number, fc.constant('max')) : number
}

/** Limits that cgroups accepts, with any of the keys. */
const planLimits: fc.Arbitrary<Limits> = fc
  .record(
    Object.fromEntries(
      sliceRows
        .flatMap((row) => (row.file === 'io.max' ? devices.map((device) => ({ row, device })) : [{ row, device: '' }]))
        .map(({ row, device }) => [`${row.path.join(' ')} ${device}`, valueOf(row)]),
    ),
    { requiredKeys: [] },
  )
  .map((values) => {
    const limits: Record<string, Record<string, unknown>> = {}
    const io = new Map<string, Record<string, unknown>>()
    for (const [name, value] of Object.entries(values)) {
      const [controller = '', key = '', item = '', device = item] = name.split(' ')
      if (device === '') (limits[controller] ??= {})[key] = value
      else io.set(device, { device, ...io.get(device), [item]: value })
    }
    if (io.size > 0) limits['io'] = { ...limits['io'], max: [...io.values()] }
    return limits
  })
  .filter((limits) => faultsOf(limits).length === 0)

/** Returns the limit of a group: its value, or for an absent key that of a new group. A larger number allows more. */
function allowed(
  limits: Limits,
  { path: [controller = '', key = '', item], initial }: LimitRow,
  device: string,
): number {
  const found = (limits as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>)[controller]?.[key]
  const entries = found as readonly Readonly<Record<string, unknown>>[] | undefined
  const value = (item === undefined ? found : entries?.find((one) => one['device'] === device)?.[item]) ?? initial
  if (value === 'max') return Infinity
  // An idle group has less than the smallest weight. A list of processors is never changed.
  if (typeof value === 'boolean') return value ? 0 : 1
  return typeof value === 'string' ? value.length : Number(value)
}

void t.test('throttledLimits() is never higher than the plan, valid, and idempotent', async (t) => {
  fc.assert(
    fc.property(planLimits, fc.constantFrom('8:0', '254:16', undefined), (limits, device) => {
      const throttled = throttledLimits(limits, device)
      for (const row of sliceRows) {
        for (const one of row.file === 'io.max' ? devices : ['']) {
          const [now, plan] = [allowed(throttled, row, one), allowed(limits, row, one)]
          // The weight of an idle group has no effect.
          if (row.file === 'cpu.weight' && throttled.cpu?.idle === true) continue
          if (now > plan) throw new Error(`${row.path.join('.')} allows ${now}, and the plan ${plan}`)
        }
      }
      const faults = faultsOf(throttled)
      if (faults.length > 0) throw new Error(JSON.stringify(faults))
      renderProperties(throttled)
      t.strictSame(throttledLimits(throttled, device), throttled)
    }),
    { numRuns: 300 },
  )
})

void t.test('throttledLimits() returns limits that planSlices() does not refuse', async (t) => {
  fc.assert(
    fc.property(planLimits, (limits) => {
      const spec = [{ slice: 'user-5.slice', limits: throttledLimits(limits, '8:0') }]
      const disk = { name: 'sda', number: '8:0', partitions: new Map() }
      const { refused } = planSlices(spec, {
        systemd: { version: 257, bpf: false },
        slices: [],
        oldLinks: new Map(),
        devices: { disks: [disk, { ...disk, name: 'vdb', number: '254:16' }], mounts: [] },
      })
      t.strictSame(refused, [])
    }),
    { numRuns: 50 },
  )
})
