import t from 'tap'
import { runCommand } from './support/puppy.ts'

const env = { PATH: process.env['PATH'] ?? '' }
t.setTimeout(120_000)

void t.test('the puppy command prints its usage, and refuses an unknown command', async (t) => {
  t.match(await runCommand(env, ['help']), { code: 0, output: /^Usage: .*\n {2}up {7}start Puppy on this machine/ })
  t.match(await runCommand(env, []), { code: 0, output: /^Usage: / })
  t.match(await runCommand(env, ['fetch']), { code: 64, output: /^Usage: / })
})

void t.test('every command ends with one line when a setting is invalid', async (t) => {
  for (const command of ['up', 'down', 'api', 'agent', 'doctor', 'plan', 'pool', 'key']) {
    const { code, output } = await runCommand({ ...env, PUPPY_POOL: 'many' }, [command])
    t.equal(code, 78, command)
    t.equal(
      output,
      'PUPPY_POOL="many" is invalid: expected the number of slots to keep free, for example 10\n',
      command,
    )
  }
})
