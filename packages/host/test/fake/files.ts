import t from 'tap'
import { appendTo, fakeFiles, folder, located, plant, plantLink, type Entry } from '../../src/fake/files.ts'

void t.test('plant() and plantLink() create the folders of an entry', async (t) => {
  const entries = new Map<string, Entry>([['/', folder()]])
  plant(entries, '/a/b/c', 'text')
  plantLink(entries, '/a/link', '/nowhere')
  const files = fakeFiles(entries)
  t.strictSame([...entries.keys()], ['/', '/a', '/a/b', '/a/b/c', '/a/link'])
  t.strictSame(await files.list('/a'), ['b', 'link'])
  t.equal(await files.readLink('/a/link'), '/nowhere')
  appendTo(entries, '/a/b/c', ' and more')
  t.equal(await files.read('/a/b/c'), 'text and more')
  t.equal((await files.status('/a/b/c'))?.size, 13)
  t.throws(() => appendTo(entries, '/a/b', 'x'), { code: 'HOST_WRITE_FAILED' })
})

void t.test('located() accepts only absolute paths, and stays below the root', async (t) => {
  t.equal(located('/../a//b/.'), '/a/b')
  for (const path of ['a', '', '/a\0']) t.throws(() => located(path), { code: 'HOST_PATH_OUTSIDE_ROOT' })
})
