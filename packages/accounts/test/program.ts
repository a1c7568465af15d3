import { symlinkSync } from 'node:fs'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { findProgram, isSafeFolder, rootArguments, runOptions, runsSystemd } from '../src/program.ts'

void t.test('findProgram() names the Debian package of what is missing', (t) => {
  const host = createFakeHost()
  t.throws(() => findProgram(host, 'systemd-sysusers'), {
    code: 'ACCOUNT_PROGRAM_MISSING',
    message: /systemd-standalone-sysusers/,
  })
  t.throws(() => findProgram(host, 'systemd-tmpfiles'), { message: /systemd-standalone-tmpfiles/ })
  t.end()
})

void t.test('findProgram() takes the standalone name too', (t) => {
  const host = createFakeHost({ programs: { '/usr/bin/systemd-sysusers.standalone': () => ({}) } })
  t.equal(findProgram(host, 'systemd-sysusers'), '/usr/bin/systemd-sysusers.standalone')
  t.end()
})

void t.test('runOptions() passes on signal and timeout', (t) => {
  const { signal } = new AbortController()
  t.strictSame(runOptions('nothing', {}), { touches: 'nothing', timeout: 120_000 })
  t.strictSame(runOptions('files', { signal, timeout: 5 }, { accept: [1] }), {
    touches: 'files',
    timeout: 5,
    signal,
    accept: [1],
  })
  t.end()
})

void t.test('rootArguments() and runsSystemd() know a folder from a machine', async (t) => {
  const root = t.testdir({ run: { systemd: { system: {} } } })
  t.strictSame(rootArguments(createHost({ root })), [`--root=${root}`])
  t.strictSame(rootArguments(createFakeHost()), [])
  t.equal(await runsSystemd(createHost({ root })), false)
  t.equal(await runsSystemd(createFakeHost({ files: { '/run/systemd/system/x': '' } })), true)
})

void t.test('isSafeFolder() refuses every link below a root folder', async (t) => {
  const root = t.testdir({ var: { tmp: {} } })
  symlinkSync('/var', `${root}/away`)
  const host = createHost({ root })
  t.equal(await isSafeFolder(host, '/var/tmp'), true)
  t.equal(await isSafeFolder(host, '/away'), false)
  t.equal(await isSafeFolder(host, '/away/tmp'), false, 'not even with a link on the way')
  t.equal(await isSafeFolder(host, '/none'), false)
})
