import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import {
  findOurs,
  hasIpv6,
  isBetweenPrograms,
  isOurCommandLine,
  isOurs,
  parseParent,
  parsePidFile,
  parseStackStart,
  parseUid,
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
  void t.test(`isOurCommandLine() says ${ours} to ${words.join(' ')}`, async (t) => {
    t.equal(isOurCommandLine(words.join('\0'), '/x/haproxy.cfg'), ours)
  })
}

void t.test('parseParent() is not misled by the name of the program', async (t) => {
  t.equal(parseParent('4242 (a) R 1 (b)) S 17 4242 4242 0 -1'), 17)
  t.equal(parseParent(''), undefined)
})

void t.test('isBetweenPrograms() tells a master in execve from one that has ended', async (t) => {
  t.ok(isBetweenPrograms('4242 (haproxy) R 1 4242 4242 0 -1'))
  t.notOk(isBetweenPrograms('4242 (haproxy) Z 1 4242 4242 0 -1'))
  t.notOk(isBetweenPrograms('2 (kthreadd) S 0 0 0 0 -1'))
  t.notOk(isBetweenPrograms(''))
})

void t.test('parseStackStart() is field 28', async (t) => {
  const fields = Array.from({ length: 52 }, (_, index) => String(index + 1))
  t.equal(parseStackStart(['4242', '(a ) b)', ...fields.slice(2)].join(' ')), '28')
  t.equal(parseStackStart(''), undefined)
})

void t.test('parsePidFile() takes one number above 1', async (t) => {
  t.equal(parsePidFile('15036\n'), 15_036)
  for (const text of ['', '1\n', '0', '-7', '12 13', '12\n13\n', '1e5', 'x'])
    t.equal(parsePidFile(text), undefined, text)
})

void t.test('the parsers bear any text', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.ok([parseParent(text), parsePidFile(text)].every((pid) => pid === undefined || Number.isSafeInteger(pid)))
      t.equal(isOurCommandLine(text, '/x/haproxy.cfg'), false)
    }),
  )
})

void t.test('findOurs() and signalOurs() know a process by its command line', async (t) => {
  const config = `${testFolder(t)}/haproxy.cfg`
  // A stand-in with the words of a HAProxy; what counts here is /proc.
  const child = spawn('/bin/sh', ['-c', 'read x', 'sh', '-f', config], { argv0: 'haproxy' })
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  t.strictSame(await findOurs(config), [{ pid, parent: process.pid }])
  t.ok(await isOurs(pid, config))
  t.ok((await readImage(pid)).startsWith(['haproxy', '-c', 'read x', 'sh', '-f', config, ''].join('\0')))
  t.equal(await readImage(pid), await readImage(pid))
  t.notOk(await signalOurs(pid, `${config}.other`, 'SIGKILL'))
  t.ok(await signalOurs(pid, config, 'SIGKILL'))
  t.strictSame(await once(child, 'exit'), [null, 'SIGKILL'])
  t.notOk(await signalOurs(pid, config, 'SIGKILL'))
  t.strictSame(await findOurs(config), [])
})

void t.test('hasIpv6() is a claim about this machine', async (t) => {
  t.type(hasIpv6(), 'boolean')
})

void t.test('parseUid() is not told another uid by the name that a process chose', async (t) => {
  t.equal(parseUid('Name:\tx\rUid:\t0\t0\t0\t0\nState:\tS\nUid:\t10000\t0\t0\t0\n'), 10_000)
  t.equal(parseUid('Name:\tx\n'), undefined)
  t.equal(parseUid(''), undefined)
})

const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--']
const notRoot = process.geteuid?.() === 0 ? false : 'needs root to become somebody else'
void t.test('isOurs() does not take a command line for the process of another user', { skip: notRoot }, async (t) => {
  // perl is told its own name and words, as anybody may: exec { program } list.
  const lie = `exec {"/bin/sh"} "haproxy", "-c", "while :; do sleep 1; done", "-f", "/etc/ours.cfg"`
  const theirs = spawn('/usr/bin/setpriv', [...asNobody, '/usr/bin/perl', '-e', lie], { stdio: 'ignore' })
  const own = spawn('/usr/bin/perl', ['-e', lie], { stdio: 'ignore' })
  t.teardown(() => [theirs, own].map((child) => child.kill('SIGKILL')))
  const seen = async (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('haproxy\0')
  for (const { pid = 0 } of [theirs, own]) while (!(await seen(pid))) await new Promise((wake) => setTimeout(wake, 10))
  t.equal(await isOurs(own.pid ?? 0, '/etc/ours.cfg'), true)
  t.equal(await isOurs(theirs.pid ?? 0, '/etc/ours.cfg'), false)
})
