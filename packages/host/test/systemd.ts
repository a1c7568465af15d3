import { existsSync } from 'node:fs'
import t from 'tap'
import { createFakeHost } from '../src/fake/index.ts'
import { createHost, runsSystemd } from '../src/index.ts'

void t.test('runsSystemd() checks the folder that only systemd creates, on a live host', async (t) => {
  const files = { '/run/systemd/system/.fake': '' }
  t.equal(await runsSystemd(createFakeHost({ files })), true)
  t.equal(await runsSystemd(createFakeHost()), false)
  t.equal(await runsSystemd(createFakeHost({ files, live: false })), false, 'a folder runs nothing')
  t.equal(await runsSystemd(createFakeHost({ files: { '/run/systemd/system': '' } })), false, 'a file is not it')
  t.equal(await runsSystemd(createFakeHost({ links: { '/run/systemd/system': '/' } })), false, 'a link is not it')
  t.equal(await runsSystemd(createHost()), existsSync('/run/systemd/system'))
  t.equal(await runsSystemd(createHost({ root: t.testdir({ run: { systemd: { system: {} } } }) })), false)
})
