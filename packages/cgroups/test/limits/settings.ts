import t from 'tap'
import { nameOf } from '../../src/limits/check.ts'
import type { Limits } from '../../src/limits/limits.ts'
import { settingsOf } from '../../src/limits/settings.ts'

void t.test('settingsOf() splits limits into settings', async (t) => {
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

/** Casts a value that is not valid limits, as a caller in plain JavaScript or a row of a database may have. */
const bad = (limits: unknown) => limits as Limits
const refused: readonly (readonly [string, Limits, RegExp])[] = [
  ['negative', { memory: { max: -1 } }, /memory\.max", value "-1"/],
  ['fraction', { memory: { max: 1.5 } }, /whole number/],
  ['not a number', { memory: { high: Number.NaN } }, /NaN/],
  ['infinite', { pids: { max: Infinity } }, /Infinity.*whole number/],
  ['too large', { memory: { max: 2 ** 60 } }, /whole number/],
  ['no process', { pids: { max: 0 } }, /from 1 to 4194304, or max/],
  ['more processes than a kernel supports', { pids: { max: 4_194_305 } }, /from 1 to 4194304/],
  ['no processor time', { cpu: { max: 0 } }, /above 0/],
  ['max for weight', bad({ cpu: { weight: 'max' } }), /whole number from 1 to 10000$/],
  ['weight 0', { io: { weight: 0 } }, /from 1 to 10000$/],
  ['weight 10001', { cpu: { weight: 10_001 } }, /from 1 to 10000$/],
  ['weight of an idle group', { cpu: { idle: true, weight: 5 } }, /idle/],
  ['max for burst', bad({ cpu: { burst: 'max' } }), /whole number from 0 to \d+$/],
  ['flag', bad({ cpu: { idle: 1 } }), /true or false/],
  ['list', { cpuset: { cpus: '1-' } }, /must be a list such as/],
  ['empty list', { cpuset: { mems: '' } }, /must be a list such as/],
  ['text', bad({ memory: { max: '1G' } }), /"1G"/],
  ['high above max', { memory: { high: 2, max: 1 } }, /never be reached/],
  ['unknown limit', bad({ memory: { maximum: 1 } }), /memory\.maximum": unknown limit/],
  ['unknown controller', bad({ mem: { max: 1 } }), /"mem": unknown controller/],
  ['device as path', { io: { max: [{ device: '/home', rbps: 1 }] } }, /must be two numbers/],
  ['io 0', { io: { max: [{ device: '8:0', rbps: 0 }] } }, /from 1 to/],
  ['page size', { hugetlb: { big: 1 } }, /2MB/],
  ['resource', { misc: { 'a b': 1 } }, /a resource name must/],
  ['raw path', { raw: { '../cpu.max': '1' } }, /not a file/],
  ['raw core file', { raw: { 'cgroup.procs': '1' } }, /not a file/],
  ['unknown limit of a device', bad({ io: { max: [{ device: '8:0', rbp: 1 }] } }), /io\.max\.rbp": unknown limit/],
  ['raw lines', { raw: { 'cpu.uclamp.min': '1\n2' } }, /one line/],
]
for (const [title, limits, message] of refused) {
  void t.test(`settingsOf() refuses: ${title}`, async (t) => {
    t.throws(() => settingsOf(limits), { code: 'CGROUP_INVALID', message })
  })
}
