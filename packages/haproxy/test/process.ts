import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { createHost } from '@puppy/host'
import { parseStat } from '@puppy/host/proc'
import {
  findOurs,
  isBetweenPrograms,
  isOurCommand,
  isOurs,
  parsePidFile,
  readImage,
  signalOurs,
} from '../src/process.ts'
import { testFolder } from './support/proxy.ts'

const lines: [words: string[], ours: boolean][] = [
  [['haproxy', '-W', '-D', '-f', '/x/haproxy.cfg', '-p', '/r/pid', '-L', 'puppy', ''], true],
  [['/usr/sbin/haproxy', '-sf', '15974', '-x', 'sockpair@3', '-Ws', '-f', '/x/haproxy.cfg', ''], true],
  [['haproxy', '-f', '/x/haproxy.cfg.good', ''], false],
  [['haproxy', '-f', '/etc/haproxy/haproxy.cfg', ''], false],
  [['haproxy', '/x/haproxy.cfg', ''], false],
  [['vi', '-f', '/x/haproxy.cfg', ''], false],
  [[''], false],
]
for (const [words, ours] of lines) {
  void t.test(`isOurCommand() returns ${ours} for ${words.join(' ')}`, async (t) => {
    t.equal(isOurCommand(words, '/x/haproxy.cfg'), ours)
  })
}

void t.test('isBetweenPrograms() accepts a master in execve and refuses one that has ended', async (t) => {
  const stat = (name: string, state: string) => {
    const numbers = Array.from({ length: 49 }, (_, index) => (index === 16 ? 1 : index))
    return parseStat(`4242 (${name}) ${state} ${numbers.join(' ')}\n`)
  }
  t.ok(isBetweenPrograms(stat('haproxy', 'R')))
  t.notOk(isBetweenPrograms(stat('haproxy', 'Z')))
  t.notOk(isBetweenPrograms(stat('kthreadd', 'S')))
  t.notOk(isBetweenPrograms(undefined))
})

void t.test('parsePidFile() accepts only one number above 1', async (t) => {
  t.equal(parsePidFile('15036\n'), 15_036)
  for (const text of ['', '1\n', '0', '-7', '12 13', '12\n13\n', '1e5', 'x'])
    t.equal(parsePidFile(text), undefined, text)
})

void t.test('parsePidFile() never throws', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const pid = parsePidFile(text)
      t.ok(pid === undefined || Number.isSafeInteger(pid))
    }),
  )
})

void t.test('findOurs() and signalOurs() recognize a process by its command line', async (t) => {
  const own = { machine: createHost(), config: `${testFolder(t)}/haproxy.cfg` }
  const { config } = own
  // A shell with the command line of a HAProxy: the functions read only /proc.
  const child = spawn('/bin/sh', ['-c', 'read x', 'sh', '-f', config], { argv0: 'haproxy' })
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  t.strictSame(await findOurs(own), [{ pid, parent: process.pid }])
  t.ok(await isOurs(own, pid))
  t.ok((await readImage(own, pid)).startsWith(['haproxy', '-c', 'read x', 'sh', '-f', config, ''].join('\0')))
  t.equal(await readImage(own, pid), await readImage(own, pid))
  t.notOk(await signalOurs({ ...own, config: `${config}.other` }, pid, 'SIGKILL'))
  t.ok(await signalOurs(own, pid, 'SIGKILL'))
  t.strictSame(await once(child, 'exit'), [null, 'SIGKILL'])
  t.notOk(await signalOurs(own, pid, 'SIGKILL'))
  t.strictSame(await findOurs(own), [])
})

const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--']
const notRoot = process.geteuid?.() === 0 ? false : 'needs root to run a process as another user'
void t.test('isOurs() refuses a process of another user, whatever its command line', { skip: notRoot }, async (t) => {
  // Any process can choose its own command line. In perl: exec { program } list.
  const lie = `exec {"/bin/sh"} "haproxy", "-c", "while :; do sleep 1; done", "-f", "/etc/ours.cfg"`
  const theirs = spawn('/usr/bin/setpriv', [...asNobody, '/usr/bin/perl', '-e', lie], { stdio: 'ignore' })
  const mine = spawn('/usr/bin/perl', ['-e', lie], { stdio: 'ignore' })
  t.teardown(() => [theirs, mine].map((child) => child.kill('SIGKILL')))
  const ours = { machine: createHost(), config: '/etc/ours.cfg' }
  const seen = async (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('haproxy\0')
  for (const { pid = 0 } of [theirs, mine]) while (!(await seen(pid))) await new Promise((wake) => setTimeout(wake, 10))
  t.equal(await isOurs(ours, mine.pid ?? 0), true)
  t.equal(await isOurs(ours, theirs.pid ?? 0), false)
})
