import { chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { openView } from '../../src/release/private-view.ts'
import { parseFound, removeFiles, renderOwners, search } from '../../src/release/search.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const skip = whyNot('find', 'rm')

void t.test('renderOwners() combines adjacent uids to one range', (t) => {
  const text = (uids: readonly number[]) => renderOwners(uids).join(' ')
  t.equal(
    text([10_002, 10_000, 10_001, 10_007, 10_000]),
    '( -uid +9999 -uid -10003 -o -uid 10007 -o -gid +9999 -gid -10003 -o -gid 10007 )',
  )
  t.equal(text([5]), '( -uid 5 -o -gid 5 )')
  t.end()
})

void t.test('parseFound() accepts any file name', (t) => {
  t.strictSame(parseFound('10000\x0010000\0/tmp/a\nb\x000\x0010001\0/tmp/c\0'), [
    { uid: 10_000, gid: 10_000, path: '/tmp/a\nb' },
    { uid: 0, gid: 10_001, path: '/tmp/c' },
  ])
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => parseFound(any).every(({ uid }) => Number.isSafeInteger(uid))),
  )
  t.end()
})

const give = (path: string, uid: number) => chownSync(path, uid, uid)

void t.test('search() and removeFiles() select files by owner and do not follow links', { skip }, async (t) => {
  const { host, slots, outside } = scratch(t, 2)
  const tmp = host.path('/tmp')
  writeFileSync(`${outside}/theirs`, '')
  give(`${outside}/theirs`, 10_000)
  symlinkSync(outside, `${tmp}/link`)
  mkdirSync(`${tmp}/deep`)
  writeFileSync(`${tmp}/deep/odd\nname`, '')
  give(`${tmp}/deep/odd\nname`, 10_000)
  writeFileSync(`${tmp}/neighbour`, '')
  give(`${tmp}/neighbour`, 10_001)
  const place = { host, folders: { homes: [], others: ['/tmp'] }, view: openView(host, ['/tmp']) }
  t.strictSame(
    await search(place, slots, {}),
    new Map([
      [0, ['/tmp/deep/odd\nname']],
      [1, ['/tmp/neighbour']],
    ]),
  )
  await removeFiles(place, slots.slice(0, 1), {})
  t.strictSame(
    await search(place, slots, {}),
    new Map([
      [0, []],
      [1, ['/tmp/neighbour']],
    ]),
  )
  t.ok(existsSync(`${outside}/theirs`))
})

void t.test('removeFiles() removes a folder with files of other users', { skip }, async (t) => {
  const { host, slots } = scratch(t, 1)
  const folder = host.path('/tmp/theirs')
  mkdirSync(folder)
  writeFileSync(`${folder}/of-root`, '')
  give(folder, 10_000)
  writeFileSync(host.path('/tmp/of-root'), '')
  await removeFiles({ host, folders: { homes: [], others: ['/tmp'] }, view: openView(host, ['/tmp']) }, slots, {})
  t.strictSame(await host.list('/tmp'), ['of-root'])
})

void t.test('search() returns its error for every slot when find fails', async (t) => {
  const { slots } = scratch(t, 2)
  const host = createFakeHost({ programs: { '/usr/bin/find': () => ({ exitCode: 127 }) }, live: false })
  const place = { host, folders: { homes: [], others: ['/tmp'] }, view: openView(host, ['/tmp']) }
  const found = await search(place, slots, {})
  t.matchOnlyStrict([...found.values()], [[/Cannot run/], [/Cannot run/]])
})

void t.test('removeFiles() takes a folder from a tenant when another user has files in it', { skip }, async (t) => {
  const { host, slots } = scratch(t, 2)
  const place = { host, folders: { homes: ['/home'], others: ['/tmp'] }, view: openView(host, ['/home', '/tmp']) }
  const at = (path: string) => host.path(path)
  for (const [path, uid] of [
    ['/home', 0],
    ['/home/p10001', 10_001],
    ['/home/p10001/shared', 10_000],
    ['/home/p10001/shared/deep', 10_000],
    ['/tmp/of-root', 0],
    ['/tmp/of-root/theirs', 10_000],
  ] as const) {
    mkdirSync(at(path))
    give(at(path), uid)
  }
  for (const [path, uid, gid] of [
    ['/home/p10001/shared/deep/hers', 10_001, 10_001],
    ['/home/p10001/shared/his', 10_000, 10_000],
    ['/home/p10001/grouped', 10_001, 10_000],
    ['/tmp/of-root/theirs/hers', 10_001, 10_001],
  ] as const) {
    writeFileSync(at(path), '')
    chownSync(at(path), uid, gid)
  }
  await removeFiles(place, slots.slice(0, 1), {})
  const owner = async (path: string) => {
    const status = await host.status(path)
    return status === undefined ? 'deleted' : `${status.uid}:${status.gid}`
  }
  t.equal(await owner('/home/p10001/shared'), '10001:10001')
  t.equal(await owner('/home/p10001/shared/deep'), '10001:10001')
  t.equal(await owner('/home/p10001/shared/deep/hers'), '10001:10001', 'a file of the neighbour stays')
  t.equal(await owner('/home/p10001/shared/his'), 'deleted')
  t.equal(await owner('/home/p10001/grouped'), '10001:65534')
  t.equal(await owner('/tmp/of-root/theirs'), '0:0')
  t.equal(await owner('/tmp/of-root/theirs/hers'), '10001:10001')
  t.strictSame((await search(place, slots, {})).get(0), [])
})
