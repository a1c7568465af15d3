import { createHost } from '../src/create-host.ts'
import { unprivileged } from '../src/unprivileged.ts'
import t from 'tap'
import { isRoot } from './support/index.ts'

const skip = { skip: isRoot ? false : 'needs root: a program of another user' }

void t.test('unprivileged() leaves a program no privilege and no way to gain one', skip, async (t) => {
  const host = createHost()
  const command = unprivileged(host, { uid: 65_533, gid: 65_532 }, ['/bin/cat', '/proc/self/status'])
  const { stdout } = await host.run(command, { touches: 'nothing' })
  const fields = Object.fromEntries(stdout.split('\n').map((line) => line.split(/:\s*/, 2)))
  const none = '0000000000000000'
  t.match(fields, {
    Uid: /^(65533\s*){4}$/,
    Gid: /^(65532\s*){4}$/,
    Groups: /^\s*$/,
    NoNewPrivs: '1',
    CapInh: none,
    CapPrm: none,
    CapEff: none,
    CapBnd: none,
    CapAmb: none,
  })
})
