import { mkdir, rename, writeFile } from 'node:fs/promises'
import t from 'tap'
import { storePaths } from '../../src/store/paths.ts'
import { readStore } from '../../src/store/read-store.ts'
import { repairStore } from '../../src/store/repair.ts'
import { createMiniStore, noStore, semodule } from '../support/mini.ts'

const { active, previous } = storePaths('mini')

void t.test('repairStore() restores a store between two renames', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  t.equal(await repairStore(host, 'mini'), false)
  const interrupt = () => rename(host.path(active), host.path(previous))
  await interrupt()
  t.equal(await repairStore(host, 'mini'), true)
  t.match(await semodule(host, '-l'), /^base$/m)

  await interrupt()
  t.notMatch(await semodule(host, '-l'), /^base$/m, 'another process lists the modules and creates an empty store')
  t.equal((await readStore(host, 'mini')).interrupted, true)
  t.equal(await repairStore(host, 'mini'), true)
  t.match(await semodule(host, '-l'), /^base$/m)

  await interrupt()
  await mkdir(host.path(active))
  await writeFile(host.path(`${active}/commit_num`), 'x')
  await t.rejects(repairStore(host, 'mini'), { code: 'HOST_WRITE_FAILED' }, 'a folder that is not empty is not removed')
})
