import { existsSync } from 'node:fs'
import t from 'tap'
import { createRelabel, groupByContext } from '../src/relabel.ts'

const pairs = ['a', 'b', 'c'].map((name) => ({ from: `/${name}`, to: `/${name}.tmp` }))

void t.test('groupByContext() groups by context and leaves out files that already have it', async (t) => {
  const contexts = ['x:y:z:s0', 'p:q:r:s0', 'same', 'same', 'x:y:z:s0', 'p:q:r:s0'].map((one) => `${one}\0`).join('')
  t.strictSame([...groupByContext(pairs, contexts)], [['x:y:z:s0', ['/a.tmp', '/c.tmp']]])
  t.strictSame([...groupByContext([], '')], [])
})

void t.test('groupByContext() refuses output that does not cover every file', async (t) => {
  for (const text of ['', 'one\0', 'one\0two\0'])
    t.throws(() => groupByContext(pairs, text), /context of every file/, JSON.stringify(text))
})

void t.test('createRelabel() returns undefined without SELinux', async (t) => {
  const run = async () => t.fail('nothing is run') as never
  if (!existsSync('/sys/fs/selinux/enforce')) t.equal(createRelabel(run), undefined)
  else t.type(createRelabel(run), 'function')
})
