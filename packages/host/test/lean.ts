import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { lock, machine } from '../src/lean.ts'
import { scratchFolder } from './support/index.ts'

void t.test('machine reads, replaces and removes', async (t) => {
  const path = `${scratchFolder(t)}/file`
  t.equal(await machine.read(path), undefined)
  t.strictSame(await machine.replace(path, 'text\n', { mode: 0o600 }), { changed: true })
  t.equal(await machine.read(path), 'text\n')
  await machine.remove(path)
  t.notOk(existsSync(path))
  await machine.remove(path)
  await t.rejects(machine.remove(scratchFolder(t)), { code: 'HOST_WRITE_FAILED' }, 'a folder')
})

void t.test('lock() holds a lock that a second call waits for', async (t) => {
  const path = `${scratchFolder(t)}/lock`
  const held = await lock(path, { timeout: 0, purpose: 'a test' })
  t.match(readFileSync(path, 'utf8'), /^a test, process \d+, mark [\d.]+\n$/)
  await t.rejects(lock(path, { timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' })
  await held.release()
  const next = await lock(path, { timeout: 0 })
  await next.release()
})
