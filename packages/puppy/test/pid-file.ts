import { writeFileSync } from 'node:fs'
import { scratchFolder } from '@puppy/host/testing'
import t from 'tap'
import { pidFile } from '../src/pid-file.ts'

void t.test('pidFile() knows a stale file, and one of another process with the same number', async (t) => {
  const file = pidFile(`${scratchFolder(t)}/x.pid`)
  t.equal(await file.read(), undefined, 'there is none')
  await file.write(process.pid)
  t.match(await file.read(), { pid: process.pid })
  for (const text of [`${process.pid} 1\n`, '1 0\n', 'nonsense', '', '-5 3\n', '99999999 1\n']) {
    writeFileSync(file.path, text)
    t.equal(await file.read(), undefined, JSON.stringify(text))
  }
  await file.remove()
  await file.remove()
  t.equal(await file.read(), undefined)
})
