import t from 'tap'
import { folder, type Entry } from '../../src/fake/files.ts'
import { fakeLocks } from '../../src/fake/locks.ts'

void t.test('fakeLocks() excludes by normalized path', async (t) => {
  const entries = new Map<string, Entry>([['/', folder()]])
  const lock = fakeLocks(entries)
  const held = await lock('/a')
  await t.rejects(lock('//./a', { timeout: 0 }), { code: 'HOST_LOCK_TIMEOUT' })
  await (await lock('/b', { timeout: 0 })).release()
  const waiting = lock('/a', { timeout: 60_000, visible: true })
  await held.release()
  const next = await waiting
  t.strictSame([...entries.keys()], ['/', '/a.lock'])
  await held.release()
  await t.rejects(
    lock('/a', { timeout: 0 }),
    { code: 'HOST_LOCK_TIMEOUT' },
    'a second release() does not release another lock',
  )
  await next.release()
  t.strictSame([...entries.keys()], ['/'])
})
