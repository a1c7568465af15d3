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

/** Creates the folder of a build, below a folder that is kept when the build fails. */
function logIn(t: Test): { readonly log: string; readonly kept: string } {
  const folder = t.testdir({ building: {} })
  return { log: `${folder}/building/build.log`, kept: `${folder}/failed.log` }
}

void t.test('build() logs the standard error of a program, and passes environment variables', async (t) => {
  const { log } = logIn(t)
  await build(contextOf(), ['/bin/sh', '-c', 'echo "$WORD" >&2'], { env: { WORD: 'hello' }, log })
  t.equal((await readFile(log, 'utf8')).trim(), 'hello')
})

void t.test('build() throws the end of the output of a failed program, and keeps the full output', async (t) => {
  const { log, kept } = logIn(t)
  const failing = build(contextOf(), ['/bin/sh', '-c', 'echo no space >&2; exit 3'], { log })
  await t.rejects(failing, { message: `Cannot build the image: no space (full log: ${kept})` })
  t.match(await readFile(kept, 'utf8'), /exit code 3/)
})

void t.test('build() stops when the signal is aborted', async (t) => {
  const { log } = logIn(t)
  await t.rejects(build(contextOf(AbortSignal.abort()), ['/bin/sleep', '600'], { log }), {
    message: 'Stopped building',
  })
})

void t.test('programOf() throws an error that names the missing program', (t) => {
  t.equal(programOf(createFakeHost({ programs: { '/usr/bin/tar': () => ({}) } }), 'tar'), '/usr/bin/tar')
  t.throws(() => programOf(createFakeHost(), 'tar'), { message: 'The program tar is not installed' })
  t.end()
})

void t.test('tail() returns the last lines of a text on one line', (t) => {
  t.equal(tail('one\r\ntwo\nthree\nfour\n\n'), 'two | three | four')
  t.equal(tail('one\ntwo', 1), 'two')
  t.equal(tail('x'.repeat(1000)).length, 600)
  t.end()
})
