import { readFileSync } from 'node:fs'
import t from 'tap'
import { createFakeHost } from '../../src/fake/index.ts'
import { createHost } from '../../src/index.ts'
import { readBootId } from '../../src/proc/index.ts'

const path = '/proc/sys/kernel/random/boot_id'

void t.test('readBootId() reads the id of this boot, and refuses other text', async (t) => {
  t.equal(await readBootId(createHost()), readFileSync(path, 'utf8').trim())
  t.equal(await readBootId(createFakeHost()), undefined)
  for (const text of ['', '\n', '0f6a6f1e-29fd-4f35-a3be', 'one', '0f6a6f1e-29fd-4f35-a3be-1b2c3d4e5f60\r0'])
    t.equal(await readBootId(createFakeHost({ files: { [path]: text } })), undefined, JSON.stringify(text))
})
