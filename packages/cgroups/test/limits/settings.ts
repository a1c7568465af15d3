import t from 'tap'
import { assertShape, nameOf, settingsOf } from '../../src/limits/settings.ts'
import type { Limits } from '../../src/limits/limits.ts'

void t.test('settingsOf() takes limits apart', async (t) => {
  const limits: Limits = {
    pids: { max: 'max' },
    cpu: { max: 1.2345 },
    cpuset: { cpus: '3,0-1' },
    io: { max: [{ device: '8:0', rbps: 5, wiops: 'max' }] },
    hugetlb: { '2MB': 0 },
    misc: { sev: 3 },
    raw: { 'cpuset.cpus.partition': 'root' },
  }
  t.strictSame(
    settingsOf(limits).map((setting) => [nameOf(setting), setting.value]),
    [
      ['cpuset.cpus', '0-1,3'],
      ['cpu.max', 1.24],
      ['pids.max', 'max'],
      ['io.max 8:0 rbps', 5],
      ['io.max 8:0 wiops', 'max'],
      ['hugetlb.2MB.max', 0],
      ['misc.max sev', 3],
      ['cpuset.cpus.partition', 'root'],
    ],
  )
  t.strictSame(settingsOf({}), [])
  t.strictSame(settingsOf({ cpu: {}, memory: {} }), [])
})

void t.test('settingsOf() rounds cores up as systemd does', async (t) => {
  const cores = (max: number) => settingsOf({ cpu: { max } })[0]?.value
  t.strictSame([0.001, 0.01, 0.07, 0.29, 0.5, 1.001, 4].map(cores), [0.01, 0.01, 0.07, 0.29, 0.5, 1.01, 4])
})

/** What a caller in plain JavaScript, or a row of a database, may hold. */
const bad = (limits: unknown) => limits as Limits
const refused: readonly (readonly [string, Limits, RegExp])[] = [
  ['negative', { memory: { max: -1 } }, /memory\.max", value "-1"/],
  ['fraction', { memory: { max: 1.5 } }, /whole number/],
  ['not a number', { memory: { high: Number.NaN } }, /NaN/],
  ['infinite', { pids: { max: Infinity } }, /Infinity/],
  ['too large', { memory: { max: 2 ** 60 } }, /whole number/],
  ['no process at all', { pids: { max: 0 } }, /at least 1/],
  ['no time at all', { cpu: { max: 0 } }, /above 0/],
  ['max for weight', bad({ cpu: { weight: 'max' } }), /weight is/],
  ['weight 0', { io: { weight: 0 } }, /weight is/],
  ['weight 10001', { cpu: { weight: 10_001 } }, /weight is/],
  ['weight of the idle', { cpu: { idle: true, weight: 5 } }, /idle/],
  ['max for burst', bad({ cpu: { burst: 'max' } }), /number/],
  ['flag', bad({ cpu: { idle: 1 } }), /true or false/],
  ['list', { cpuset: { cpus: '1-' } }, /a list is like/],
  ['empty list', { cpuset: { mems: '' } }, /a list is like/],
  ['text', bad({ memory: { max: '1G' } }), /"1G"/],
  ['high above max', { memory: { high: 2, max: 1 } }, /never be reached/],
  ['unknown limit', bad({ memory: { maximum: 1 } }), /memory\.maximum": there is no such limit/],
  ['unknown controller', bad({ mem: { max: 1 } }), /"mem": there is no such controller/],
  ['device as path', { io: { max: [{ device: '/home', rbps: 1 }] } }, /not resolved/],
  ['io 0', { io: { max: [{ device: '8:0', rbps: 0 }] } }, /at least 1/],
  ['page size', { hugetlb: { big: 1 } }, /2MB/],
  ['resource', { misc: { 'a b': 1 } }, /no name/],
  ['raw path', { raw: { '../cpu.max': '1' } }, /no file/],
  ['raw core file', { raw: { 'cgroup.procs': '1' } }, /no file/],
  ['raw lines', { raw: { 'cpu.uclamp.min': '1\n2' } }, /one line/],
]
for (const [title, limits, message] of refused) {
  void t.test(`settingsOf() refuses: ${title}`, async (t) => {
    t.throws(() => settingsOf(limits), { code: 'CGROUP_INVALID', message })
  })
}

void t.test('assertShape() refuses what is no object of limits, instead of limiting nothing', async (t) => {
  const shapes: readonly unknown[] = [
    { memory: null },
    { cpu: [] },
    { pids: 5 },
    { io: { max: 'all' } },
    { io: { max: [{}] } },
  ]
  for (const shape of shapes) {
    t.throws(() => assertShape(shape as Limits), { code: 'CGROUP_INVALID' }, JSON.stringify(shape))
    t.throws(() => settingsOf(shape as Limits), { code: 'CGROUP_INVALID' })
  }
  t.doesNotThrow(() => assertShape({ cpu: {}, io: { max: [{ device: '/home' }] } }))
})
