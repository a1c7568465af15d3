import { createServer } from 'node:net'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { smallPlan } from '@puppy/state/testing'
import { cannotRun, createPuppy } from '../support/puppy.ts'

t.setTimeout(300_000)

void t.test(
  'slots whose uid, group or port is in use are blocked with the reason, and other slots are built',
  { skip: cannotRun },
  async (t) => {
    const firstPort = 28_000
    const puppy = await createPuppy(t, { firstPort })
    mkdirSync(join(puppy.root, 'etc'), { recursive: true })
    const passwd = 'root:x:0:0:root:/root:/bin/bash\nanna:x:10003:10003:Anna:/home/anna:/bin/bash\n'
    const group = 'root:x:0:\nanna:x:10003:\np10005:x:777:anna\n'
    writeFileSync(join(puppy.root, 'etc/passwd'), passwd)
    writeFileSync(join(puppy.root, 'etc/group'), group)
    const port = firstPort + 7 * 8 + 4
    const squatter = createServer().listen(port, '127.0.0.1')
    await once(squatter, 'listening')
    t.teardown(() => squatter.close())

    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    const names = Array.from({ length: 12 }, (_, index) => `a${index}`)
    const accounts = await Promise.all(names.map((name) => puppy.api('PUT', `/v1/accounts/${name}`, { plan: 'small' })))
    t.ok(
      accounts.every(({ body }) => body['ready'] === true),
      'every account has a slot',
    )
    const uids = accounts.map(({ body }) => body['uid'])
    for (const uid of [10_003, 10_005, 10_007]) t.notOk(uids.includes(uid), `no account has ${uid}`)

    const { body } = await puppy.api('GET', '/v1/hosts/h1/pool')
    t.match(body, { slots: { blocked: 3, taken: 12 } })
    t.matchOnlyStrict(body['trouble'], [
      { slot: 3, user: 'p10003', state: 'blocked', reason: 'uid_taken', message: /anna/ },
      { slot: 5, user: 'p10005', state: 'blocked', reason: /^(group|gid)_taken$/, message: String },
      { slot: 7, user: 'p10007', state: 'blocked', reason: 'port_in_use', message: new RegExp(String(port)) },
    ])
    const after = readFileSync(join(puppy.root, 'etc/passwd'), 'utf8')
    t.ok(after.startsWith(passwd), 'the lines of persons are unchanged')
    t.match(readFileSync(join(puppy.root, 'etc/group'), 'utf8'), /^p10005:x:777:anna$/m)
    t.notMatch(after, /^p1000[357]:/m)

    const purge = await puppy.command('down', '--purge')
    t.equal(purge.code, 0, purge.output)
    t.ok(readFileSync(join(puppy.root, 'etc/passwd'), 'utf8').startsWith(passwd), 'a purge keeps the persons too')
    t.match(readFileSync(join(puppy.root, 'etc/group'), 'utf8'), /^p10005:x:777:anna$/m)
  },
)
