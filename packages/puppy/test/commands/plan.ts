import { accessSync, chownSync, constants, readFileSync } from 'node:fs'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { smallPlan, nobody } from '@puppy/state/testing'
import { isRoot, scratchFolder, freePort } from '@puppy/host/testing'

t.setTimeout(120_000)
const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** Returns why the test cannot run, or false. As root it changes to an ordinary user, who must be able to read the checkout. */
function whyNot(): string | false {
  accessSync(cli, constants.R_OK)
  if (!isRoot) return false
  const { status } = spawnSync('/usr/bin/setpriv', [...become, process.execPath, '--version'])
  const { status: reads } = spawnSync('/usr/bin/setpriv', [...become, '/usr/bin/cat', cli])
  return status === 0 && reads === 0 ? false : 'the checkout is below a folder that an ordinary user cannot enter'
}
const become = [`--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, '--clear-groups', '--']

void t.test(
  'up() without root only plans and answers at once, and plan() prints the commands',
  { skip: whyNot() },
  async (t) => {
    const stateDir = scratchFolder(t)
    if (isRoot) chownSync(stateDir, nobody.uid, nobody.gid)
    const listen = `127.0.0.1:${await freePort()}`
    const env = {
      PATH: process.env['PATH'] ?? '',
      PUPPY_STATE_DIR: stateDir,
      PUPPY_LISTEN: listen,
      PUPPY_HOST: 'h1',
      PUPPY_FIRST_UID: '50000',
      PUPPY_FIRST_PORT: '25000',
    }
    const start = (args: readonly string[]) => {
      const [program, ...rest] = isRoot ? ['/usr/bin/setpriv', ...become, process.execPath] : [process.execPath]
      return spawn(program ?? '', [...rest, cli, ...args], { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
    }
    const up = start(['up'])
    let output = ''
    for (const stream of [up.stdout, up.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    t.teardown(async () => {
      up.kill('SIGTERM')
      if (up.exitCode === null) await once(up, 'exit')
    })
    while (!output.includes('is ready') && up.exitCode === null) await sleep(20)
    t.match(output, /Dry run: Puppy plans changes and applies none/)

    const key = readFileSync(join(stateDir, 'admin-key'), 'utf8').trim()
    const call = async (method: string, path: string, body?: unknown) => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const response = await fetch(`http://${listen}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    t.match(await call('PUT', '/v1/plans/small', smallPlan), { status: 201 })
    const account = await call('PUT', '/v1/accounts/blog', { plan: 'small' })
    t.match(account, { status: 201, body: { ready: false, user: 'p50000' } })
    const conditions = account.body['conditions'] as readonly Record<string, string>[]
    t.match(conditions[0], { type: 'accounts', status: 'unknown', reason: 'dry_run' })
    const planned = conditions.filter(({ type }) => type !== 'ports').map(({ status, reason }) => `${status} ${reason}`)
    t.strictSame([...new Set(planned)], ['unknown dry_run'], 'for every facility except ports, which changes nothing')
    t.match(await call('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: 25_000 }), {
      status: 201,
      body: { ready: false },
    })
    t.match(await call('GET', '/v1/hosts/h1'), { body: { mode: 'dry_run' } })
    const { body } = await call('GET', '/v1/hosts/h1/changes')
    t.match(JSON.stringify(body['data']), /useradd --uid 50000 /, 'the admin sees the commands')
    t.equal(spawnSync('/usr/bin/id', ['p50000']).status, 1, 'no command was run')

    const shown = start(['plan'])
    let plan = ''
    shown.stdout.on('data', (chunk: Buffer) => (plan += chunk.toString()))
    await once(shown, 'close')
    t.match(plan, /accounts\tp50000\tcreate account\tuseradd --uid 50000 /)
    t.match(plan, /^\d+ changes$/m)
  },
)
