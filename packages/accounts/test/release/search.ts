import { chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { parseFound, removeEntries, removeStrays, renderOwners, search } from '../../src/release/search.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const skip = whyNot('find', 'rm')

void t.test('renderOwners() combines adjacent uids to one range', (t) => {
  const text = (uids: readonly number[]) => renderOwners(uids).join(' ')
  t.equal(text([10_002, 10_000, 10_001, 10_007, 10_000]), '( -uid +9999 -uid -10003 -o -uid 10007 )')
  t.equal(text([5]), '( -uid 5 )')
  t.end()
})

void t.test('parseFound() accepts any file name', (t) => {
  t.strictSame(parseFound('10000\0/tmp/a\nb\x0010001\0/tmp/c\0'), [
    { uid: 10_000, path: '/tmp/a\nb' },
    { uid: 10_001, path: '/tmp/c' },
  ])
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (any) => parseFound(any).every(({ uid }) => Number.isSafeInteger(uid))),
  )
  t.end()
})

const give = (path: string, uid: number) => chownSync(path, uid, uid)

void t.test('search() and removeStrays() select files by owner and do not follow links', { skip }, async (t) => {
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
  const folders = { homes: [], others: ['/tmp'] }
  t.strictSame(
    await search(host, folders, slots, {}),
    new Map([
      [0, ['/tmp/deep/odd\nname']],
      [1, ['/tmp/neighbour']],
    ]),
  )
  await removeStrays(host, folders, [10_000], {})
  t.strictSame(
    await search(host, folders, slots, {}),
    new Map([
      [0, []],
      [1, ['/tmp/neighbour']],
    ]),
  )
  t.ok(existsSync(`${outside}/theirs`))
})

void t.test('removeEntries() removes a folder with files of other users', { skip }, async (t) => {
  const { host } = scratch(t, 1)
  const folder = host.path('/tmp/theirs')
  mkdirSync(folder)
  writeFileSync(`${folder}/of-root`, '')
  give(folder, 10_000)
  writeFileSync(host.path('/tmp/of-root'), '')
  await removeEntries(host, ['/tmp'], [10_000], {})
  t.strictSame(await host.list('/tmp'), ['of-root'])
})

void t.test('search() returns its error for every slot when find fails', async (t) => {
  const { slots } = scratch(t, 2)
  const host = createFakeHost({ programs: { '/usr/bin/find': () => ({ exitCode: 127 }) } })
  const found = await search(host, { homes: [], others: ['/tmp'] }, slots, {})
  t.matchOnlyStrict([...found.values()], [[/Cannot run/], [/Cannot run/]])
})
