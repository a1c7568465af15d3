// Runs transactions on the store of a folder until it is killed. Says so before each.
import { createHost } from '@puppy/host'
import { openPolicy } from '../../src/index.ts'

const [root = '/nowhere', one = '', other = ''] = process.argv.slice(2)
const policy = openPolicy(createHost({ root }))
for (let turn = 0; ; turn += 1) {
  console.log('begins')
  await policy.ensure({ modules: { puppy_killed: turn % 2 === 0 ? one : other } })
}
