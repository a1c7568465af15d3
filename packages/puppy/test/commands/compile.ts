import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { createHost } from '@puppy/host'
import { isRoot, scratchFolder } from '@puppy/host/testing'
import t from 'tap'
import { notCompiled, prepareApi } from '../../src/api-process.ts'
import { readConfig } from '../../src/config.ts'
import { nodeCommand } from '../../src/node-command.ts'

const user = { name: 'a user', uid: 65_533, gid: 65_532 }

void t.test('compile() reports whether the code is in the cache', async (t) => {
  const [program, ...args] = nodeCommand('compile')
  const env = { NODE_COMPILE_CACHE: `${scratchFolder(t)}/cache` }
  const [first, second] = [spawnSync(program, args, { env }), spawnSync(program, args, { env })]
  t.strictSame([first.status, second.status], [notCompiled, 0])
})

void t.test(
  'prepareApi() compiles code that its user cannot change',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const cache = `${scratchFolder(t)}/cache`
    mkdirSync(cache)
    process.env['NODE_COMPILE_CACHE'] = cache
    t.teardown(() => delete process.env['NODE_COMPILE_CACHE'])
    const config = readConfig({}, { uid: 0, hostname: 'h1', cwd: '/' })
    const { command, remark, env } = await prepareApi(createHost(), config, user)
    t.equal(remark, undefined)
    const [folder = ''] = readdirSync(cache)
    t.match(folder, /-65533$/, 'the folder of the user')
    const files = readdirSync(`${cache}/${folder}`)
    t.ok(files.length > 100)
    for (const path of [folder, ...files.map((name) => `${folder}/${name}`)]) {
      const { uid, mode } = statSync(`${cache}/${path}`)
      t.equal(uid, 0)
      t.equal(mode & 0o022, 0)
    }
    const check = [...command.slice(1, -1), 'compile']
    t.equal(spawnSync(command[0], check, { env }).status, 0, 'its user uses the cache')
  },
)
