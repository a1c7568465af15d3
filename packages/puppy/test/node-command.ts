import { spawnSync } from 'node:child_process'
import t from 'tap'
import { nodeCommand, partCommand } from '../src/node-command.ts'

void t.test('nodeCommand() and partCommand() run a command with flags that this Node accepts', async (t) => {
  for (const [program, ...args] of [nodeCommand('help'), partCommand('help')]) {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { NODE_NO_WARNINGS: '1' } })
    t.equal(status, 0)
    t.match(stderr, /^Usage: /)
  }
})
