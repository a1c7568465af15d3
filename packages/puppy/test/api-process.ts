import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { isRoot } from '@puppy/host/testing'
import t from 'tap'
import { asRootAtFirst, notCompiled, prepareApi } from '../src/api-process.ts'
import { readConfig } from '../src/config.ts'
import { compileCache } from '../src/node-command.ts'

const user = { name: 'puppy-api', uid: 991, gid: 992 }
const config = readConfig({ PUPPY_RUN_DIR: '/run/x' }, { uid: 0, hostname: 'h1', cwd: '/' })
const isCheck = (args: readonly string[]) => args.includes('--reuid=991')

void t.test('prepareApi() starts the API without privileges, and compiles its code when it must', async (t) => {
  let compiled = false
  const host = createFakeHost({
    programs: {
      '/usr/bin/setpriv': async ({ args, host: machine }) => {
        if (isCheck(args)) return { exitCode: compiled ? 0 : notCompiled }
        t.ok(args.includes('--ruid=991'), 'the cache belongs to root, and is that of the user')
        compiled = true
        await machine.makeFolder(`${process.env['NODE_COMPILE_CACHE'] ?? compileCache}/v24-x64-1-991`)
        return { exitCode: notCompiled }
      },
      '/usr/bin/chmod': () => ({}),
    },
  })
  const { command, env, remark } = await prepareApi(host, config, user)
  t.equal(remark, undefined)
  for (const word of ['--reuid=991', '--regid=992', '--clear-groups', '--no-new-privs', '--bounding-set=-all'])
    t.ok(command.includes(word), word)
  t.equal(command.at(-1), 'api')
  t.match(env, { PUPPY_RUN_DIR: '/run/x' })
  const programs = () => host.commands.map(([program, ...args]) => (isCheck(args) ? 'check' : program))
  t.strictSame(programs(), ['/usr/bin/setpriv', '/usr/bin/chmod', 'check'], 'at first, it is compiled at once')
  t.strictSame((await prepareApi(host, config, user)).command, command)
  t.equal(host.commands.length, 4, 'code that is compiled is only checked')
  compiled = false
  await prepareApi(host, config, user)
  t.strictSame(programs().slice(4), ['check', '/usr/bin/setpriv', '/usr/bin/chmod'], 'changed code is compiled again')
})

void t.test('prepareApi() uses the compile cache of the settings', async (t) => {
  const before = process.env['NODE_COMPILE_CACHE']
  process.env['NODE_COMPILE_CACHE'] = '/srv/cache'
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_COMPILE_CACHE']
    else process.env['NODE_COMPILE_CACHE'] = before
  })
  const host = createFakeHost({
    files: { '/srv/cache/v24-x64-1-991/code': '' },
    programs: { '/usr/bin/setpriv': () => ({}), '/usr/bin/chmod': () => ({}) },
  })
  t.match((await prepareApi(host, config, user)).env, { NODE_COMPILE_CACHE: '/srv/cache' })
  t.equal(host.commands.length, 1, 'its code is compiled already, and only checked')
})

void t.test('prepareApi() starts as root at first if the user cannot read the code, and says so', async (t) => {
  const host = createFakeHost({
    programs: {
      '/usr/bin/setpriv': ({ args }) => ({ exitCode: isCheck(args) ? 1 : 0 }),
      '/usr/bin/chmod': () => ({}),
      [process.execPath]: () => ({}),
    },
  })
  const { command, remark } = await prepareApi(host, config, user)
  t.match(
    remark,
    /^api: the user puppy-api cannot read the code in .*, so the API starts as root and drops root before/,
  )
  t.strictSame(command, asRootAtFirst(host, command.slice(command.indexOf('--') + 1) as [string]))
})

void t.test('prepareApi() starts a plain process without root', async (t) => {
  const { command } = await prepareApi(createFakeHost(), config, undefined)
  t.equal(command[0], process.execPath)
})

const skip = { skip: isRoot ? false : 'needs root' }
void t.test('asRootAtFirst() leaves root only the means to change its user', skip, async (t) => {
  const host = createHost()
  const { stdout } = await host.run(asRootAtFirst(host, ['/bin/cat', '/proc/self/status']), { touches: 'nothing' })
  const fields = Object.fromEntries(stdout.split('\n').map((line) => line.split(/:\s*/, 2)))
  // CAP_DAC_READ_SEARCH is 2, CAP_SETGID 6 and CAP_SETUID 7.
  const few = '00000000000000c4'
  t.match(fields, { NoNewPrivs: '1', CapInh: '0000000000000000', CapPrm: few, CapEff: few, CapBnd: few })
})
