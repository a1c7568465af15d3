import { spawnSync } from 'node:child_process'
import t from 'tap'

const module = new URL('../src/say.ts', import.meta.url).href

/** Runs a function of the module on a text, with a standard output and error of its own. */
function printed(name: string, text: string) {
  const code = `const { ${name} } = await import(${JSON.stringify(module)}); ${name}(process.env.TEXT)`
  const run = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', code], {
    env: { ...process.env, TEXT: text },
    encoding: 'utf8',
  })
  return [run.stdout, run.stderr]
}

void t.test('say() and warn() print lines, and no escape sequence', async (t) => {
  const [text, shown] = ['a\u001b[2J\u009b\n\tb\r\u202e', 'a\\u001b[2J\\u009b\n\tb\\u000d\\u202e\n']
  t.strictSame(printed('say', text), [shown, ''])
  t.strictSame(printed('warn', text), ['', shown])
})

void t.test('warnOf() prints an error with its facts, and no escape sequence', async (t) => {
  const code = `const { warnOf } = await import(${JSON.stringify(module)})
    warnOf(Object.assign(new Error('broken \\u001b[2J'), { facts: { path: '/a\\u001b[2J\\u202e' } }))`
  const run = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', code], { encoding: 'utf8' })
  t.equal(run.stdout, '')
  t.match(run.stderr, 'broken \\u001b[2J')
  t.match(run.stderr, '/a')
  t.notMatch(run.stderr, '\u001b')
  t.notMatch(run.stderr, '\u202e')
})
