import fc from 'fast-check'
import t from 'tap'
import { parseLimits } from '../../src/limits/parse.ts'
import { fixture } from '../support/fixtures.ts'

void t.test('parseLimits() parses the kernel’s files to the shape of a spec', async (t) => {
  t.strictSame(parseLimits(fixture), {
    cpu: { max: 0.5 },
    memory: { high: 99_999_744, max: 199_999_488 },
    pids: { max: 60 },
    io: { weight: 200, max: [{ device: '254:0', rbps: 10_000_000, wbps: 'max', riops: 'max', wiops: 'max' }] },
  })
  t.strictSame(
    parseLimits(() => undefined),
    {},
    'a missing file is an absent key',
  )
})

void t.test('parseLimits() with like reads only the files of those limits', async (t) => {
  const files: string[] = []
  const read = (file: string) => {
    files.push(file)
    return (
      { 'hugetlb.2MB.max': '0\n', 'misc.max': 'sev 2\nsev_es max\n', 'cpuset.cpus.partition': 'member\n' }[file] ??
      fixture(file)
    )
  }
  const like = {
    pids: { max: 1 },
    hugetlb: { '2MB': 1 },
    misc: { sev_es: 1 },
    raw: { 'cpuset.cpus.partition': 'root' },
  }
  t.strictSame(parseLimits(read, like), {
    pids: { max: 60 },
    hugetlb: { '2MB': 0 },
    misc: { sev_es: 'max' },
    raw: { 'cpuset.cpus.partition': 'member' },
  })
  t.strictSame(files, ['pids.max', 'hugetlb.2MB.max', 'misc.max', 'cpuset.cpus.partition'])
})

void t.test('parseLimits() accepts any text', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('max', ' ', '1', ':', '=', '\n', 'default', 'rbps', '-', ',') }),
  )
  fc.assert(
    fc.property(
      text,
      (garbage) =>
        void parseLimits(() => garbage, {
          cpu: { max: 1, weight: 1, idle: true },
          cpuset: { cpus: '0' },
          memory: { max: 1 },
          io: { weight: 1, max: [] },
          misc: { a: 1 },
        }),
    ),
  )
})
