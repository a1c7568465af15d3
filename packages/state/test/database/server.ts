import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { scratchFolder } from '@puppy/host/testing'
import { readServer, stopEmbedded } from '../../src/database/server.ts'

void t.test('readServer() and stopEmbedded() ignore a pid file that does not name the server', async (t) => {
  const folder = scratchFolder(t)
  t.equal(await readServer(folder), undefined, 'no file')
  mkdirSync(`${folder}/postgres/data`, { recursive: true })
  for (const text of [`${process.pid}\n`, '1\n', 'x\n', '']) {
    writeFileSync(`${folder}/postgres/data/postmaster.pid`, text)
    t.equal(await readServer(folder), undefined, JSON.stringify(text))
    t.equal(await stopEmbedded(folder), false)
  }
})
