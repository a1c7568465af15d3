import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { findProgram, prefixArguments, rootArguments } from '../src/program.ts'

void t.test('findProgram() reports the Debian package of a missing program', (t) => {
  const host = createFakeHost()
  t.throws(() => findProgram(host, 'systemd-sysusers'), {
    code: 'ACCOUNT_PROGRAM_MISSING',
    message: /apt-get install systemd-standalone-sysusers$/,
  })
  t.throws(() => findProgram(host, 'systemd-tmpfiles'), { message: /systemd-standalone-tmpfiles/ })
  t.end()
})

void t.test('findProgram() also finds the standalone name', (t) => {
  const host = createFakeHost({ programs: { '/usr/bin/systemd-sysusers.standalone': () => ({}) } })
  t.equal(findProgram(host, 'systemd-sysusers'), '/usr/bin/systemd-sysusers.standalone')
  t.end()
})

void t.test('rootArguments() and prefixArguments() are empty on a live host', async (t) => {
  const root = t.testdir({})
  t.strictSame(rootArguments(createHost({ root })), [`--root=${root}`])
  t.strictSame(prefixArguments(createHost({ root })), ['--prefix', root])
  t.strictSame(rootArguments(createFakeHost()), [])
  t.strictSame(prefixArguments(createFakeHost()), [])
})
