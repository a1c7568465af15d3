import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { assignProject, chooseProject, clearProject, parseProject, readProject } from '../src/projects.ts'
import { parseReport } from '../src/report.ts'
import { fixture } from './support/fixture.ts'

void t.test('chooseProject() returns the lowest id that is not taken and has no usage or limits', async (t) => {
  const readings = parseReport('project', fixture('xfs-project.csv'), 0)
  t.equal(chooseProject(readings, [4240], { first: 4240, last: 4250 }), 4241)
  t.equal(chooseProject(readings, [4240, 4241], { first: 4240, last: 4250 }), 4244, '4242 and 4243 still have usage')
  t.throws(() => chooseProject(readings, [], { first: 4242, last: 4243 }), { code: 'QUOTA_INVALID' }, 'full')
  t.throws(() => chooseProject([], [], { first: 0, last: 9 }), { code: 'QUOTA_INVALID' }, '0 means no project')
})

void t.test('parseProject() parses the output of lsattr', async (t) => {
  t.strictSame(parseProject(' 4243 --------------e----P-- /home/cap/p\n'), { project: 4243, inherits: true })
  t.strictSame(parseProject('    0 --------------e------- /home\n'), { project: 0, inherits: false })
  t.equal(parseProject(''), undefined)
  t.equal(parseProject('--------------e------- /home 12\n'), undefined)
})

const opened = (project: number, find: FakeProgram = () => ({})) =>
  createFakeHost({
    programs: {
      '/usr/bin/find': find,
      '/usr/bin/chattr': () => ({}),
      '/usr/bin/lsattr': () => ({ stdout: ` ${project} --------------e----${project === 0 ? '-' : 'P'}-- /data\n` }),
    },
  })

void t.test('assignProject() assigns folders, then files, and reads back', async (t) => {
  const host = opened(7)
  await assignProject(host, '/data', 7)
  const of = (type: string, ...words: readonly string[]) => [
    '/usr/bin/find',
    '/data',
    '-xdev',
    '-type',
    type,
    '-exec',
    '/usr/bin/chattr',
    ...words,
    '--',
    '{}',
    '+',
  ]
  t.strictSame(host.commands, [
    of('d', '+P', '-p', '7'),
    of('f', '-p', '7'),
    ['/usr/bin/lsattr', '-d', '-p', '--', '/data'],
  ])
  await t.rejects(assignProject(opened(0), '/data', 7), { code: 'QUOTA_MISMATCH' })
  await t.rejects(clearProject(opened(7), '/data'), { code: 'QUOTA_MISMATCH' })
  await clearProject(opened(0), '/data')
})

void t.test('assignProject() refuses invalid ids and paths, and reports a failure', async (t) => {
  for (const id of [0, -1, 2 ** 32]) await t.rejects(assignProject(opened(7), '/data', id), { code: 'QUOTA_INVALID' })
  await t.rejects(assignProject(opened(7), '-exec', 7), { code: 'QUOTA_INVALID' })
  await t.rejects(assignProject(createFakeHost(), '/data', 7), { code: 'QUOTA_NOT_INSTALLED' })
  const failing = opened(7, () => ({
    exitCode: 1,
    stderr: 'chattr: Operation not supported while setting project on /data\n',
  }))
  await t.rejects(assignProject(failing, '/data', 7), { code: 'QUOTA_REFUSED', message: /not supported/ })
})

void t.test('readProject() ignores the exit code of lsattr', async (t) => {
  t.strictSame(await readProject(opened(7), '/data'), { project: 7, inherits: true })
  const silent = createFakeHost({ programs: { '/usr/bin/lsattr': () => ({ stderr: 'lsattr: No such file\n' }) } })
  await t.rejects(readProject(silent, '/data'), { code: 'QUOTA_REFUSED', message: /No such file/ })
})
