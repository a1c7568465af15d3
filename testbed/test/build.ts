import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { build, programOf, tail, type BuildContext } from '../src/build.ts'
import { createPaths } from '../src/paths.ts'

const contextOf = (signal?: AbortSignal): BuildContext => ({
  host: createHost(),
  paths: createPaths(),
  accelerator: 'tcg',
  say: () => {},
  ...(signal === undefined ? {} : { signal }),
})

/** A folder as a build has it, below a folder that stays when a build has failed. */
function logIn(t: Test): { readonly log: string; readonly kept: string } {
  const folder = t.testdir({ building: {} })
  return { log: `${folder}/building/build.log`, kept: `${folder}/failed.log` }
}

void t.test('build() writes down what a program said, and passes variables on', async (t) => {
  const { log } = logIn(t)
  await build(contextOf(), ['/bin/sh', '-c', 'echo "$WORD" >&2'], { env: { WORD: 'hello' }, log })
  t.equal((await readFile(log, 'utf8')).trim(), 'hello')
})

void t.test('build() tells the end of what a program said that failed, and keeps all of it', async (t) => {
  const { log, kept } = logIn(t)
  const failing = build(contextOf(), ['/bin/sh', '-c', 'echo no space >&2; exit 3'], { log })
  await t.rejects(failing, { message: `Cannot build the image: no space (all of it: ${kept})` })
  t.match(await readFile(kept, 'utf8'), /exit code 3/)
})

void t.test('build() ends when it is told to', async (t) => {
  const { log } = logIn(t)
  await t.rejects(build(contextOf(AbortSignal.abort()), ['/bin/sleep', '600'], { log }), {
    message: 'Stopped building',
  })
})

void t.test('programOf() names a program that is missing', (t) => {
  t.equal(programOf(createFakeHost({ programs: { '/usr/bin/tar': () => ({}) } }), 'tar'), '/usr/bin/tar')
  t.throws(() => programOf(createFakeHost(), 'tar'), { message: 'The program tar is missing' })
  t.end()
})

void t.test('tail() gives the last lines of a text as one', (t) => {
  t.equal(tail('one\r\ntwo\nthree\nfour\n\n'), 'two | three | four')
  t.equal(tail('one\ntwo', 1), 'two')
  t.equal(tail('x'.repeat(1000)).length, 600)
  t.end()
})
