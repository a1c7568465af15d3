// Runs transactions on the store of a folder until it is killed. Prints a line before each.
import { createHost } from '@puppy/host'
import { openPolicy } from '../../src/index.ts'

const [root = '/nowhere', one = '', other = '', boolean] = process.argv.slice(2)
/** With a boolean, libsemanage runs the transaction. */
const switches = (turn: number) => (boolean === undefined ? {} : { booleans: { [boolean]: turn % 2 === 0 } })
const policy = openPolicy(createHost({ root }))
for (let turn = 0; ; turn += 1) {
  console.log('begins')
  // Every third transaction is a rollback, which may have nothing to restore.
  if (turn % 3 === 2) await policy.rollback().catch(() => {})
  else await policy.ensure({ modules: { puppy_killed: turn % 2 === 0 ? one : other }, ...switches(turn) })
}
