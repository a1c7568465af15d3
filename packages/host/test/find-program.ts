import t from 'tap'
import { findProgram } from '../src/find-program.ts'

void t.test('findProgram() searches only the system folders', async (t) => {
  t.match(findProgram('cat'), /^\/(usr\/)?bin\/cat$/)
  t.equal(findProgram('no-such-program'), undefined)
  t.throws(() => findProgram('../bin/cat'), TypeError)
})
