import { symlinkSync } from 'node:fs'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { isSafeFolder } from '../src/safe-folder.ts'

void t.test('isSafeFolder() refuses every link below a root folder', async (t) => {
  const root = t.testdir({ var: { tmp: {} } })
  symlinkSync('/var', `${root}/away`)
  const host = createHost({ root })
  t.equal(await isSafeFolder(host, '/var/tmp'), true)
  t.equal(await isSafeFolder(host, '/away'), false)
  t.equal(await isSafeFolder(host, '/away/tmp'), false, 'not even with a link on the way')
  t.equal(await isSafeFolder(host, '/none'), false)
})

void t.test('isSafeFolder() accepts a link on a live host', async (t) => {
  const host = createFakeHost({ files: { '/tmp/x': '' }, links: { '/home': '/srv/home' } })
  t.equal(await isSafeFolder(host, '/home'), true)
  t.equal(await isSafeFolder(host, '/tmp'), true)
  t.equal(await isSafeFolder(host, '/tmp/x'), false)
})
