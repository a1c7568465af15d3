import { chmodSync, lstatSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { sameMetadata, statusFrom, wantedMetadata } from '../src/status.ts'

void t.test('statusFrom() returns kind and permission bits', async (t) => {
  const root = t.testdir({ file: 'four', folder: {} })
  chmodSync(`${root}/file`, 0o4750)
  symlinkSync('file', `${root}/link`)
  const of = (name: string) => statusFrom(lstatSync(`${root}/${name}`))
  t.match(of('file'), { kind: 'file', mode: 0o4750, size: 4 })
  t.strictSame([of('folder').kind, of('link').kind], ['folder', 'link'])
  t.equal(statusFrom(lstatSync('/dev/null')).kind, 'other')
})

void t.test('wantedMetadata() keeps mode and owner unless the options set them', async (t) => {
  const kept = { kind: 'file', mode: 0o640, uid: 5, gid: 6, size: 0 } as const
  t.strictSame(wantedMetadata(undefined, {}), { mode: 0o600, uid: undefined, gid: undefined })
  t.strictSame(wantedMetadata(kept, {}), { mode: 0o640, uid: 5, gid: 6 })
  t.strictSame(wantedMetadata(kept, { mode: 0o400, uid: 0 }), { mode: 0o400, uid: 0, gid: 6 })
  t.ok(sameMetadata(kept, { mode: 0o640, uid: undefined, gid: undefined }))
  for (const other of [{ mode: 0o600 }, { uid: 0 }, { gid: 0 }])
    t.notOk(sameMetadata(kept, { mode: 0o640, uid: 5, gid: 6, ...other }), JSON.stringify(other))
})
