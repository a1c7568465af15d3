import { chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { smallPlan, sshKey } from '@puppy/state/testing'
import { cannotRun, createPuppy, eventually, serveName } from '../support/puppy.ts'

t.setTimeout(300_000)

void t.test(
  'DELETE of an account removes route, keys and files; its name is free at once, its slot when it is clean',
  { skip: cannotRun },
  async (t) => {
    const firstPort = 31_000
    const puppy = await createPuppy(t, { firstPort })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small', sshKeys: [sshKey] })
    await puppy.api('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: firstPort })
    await serveName(t, firstPort, 'the blog')
    t.match(await puppy.visit('blog.example.com'), { body: 'the blog' })
    await eventually('the visit is counted', async () =>
      Number((await puppy.api('GET', '/v1/accounts/blog/usage')).body['requests']) > 0 ? true : undefined,
    )
    const home = join(puppy.root, 'home/p10000')
    mkdirSync(join(home, 'deep/er'), { recursive: true })
    writeFileSync(join(home, 'deep/er/secret'), 'x')
    symlinkSync('/etc', join(home, 'a-way-out'))
    for (const path of ['deep', 'deep/er', 'deep/er/secret']) chownSync(join(home, path), 10_000, 10_000)
    mkdirSync(join(puppy.root, 'tmp'), { recursive: true, mode: 0o1777 })
    writeFileSync(join(puppy.root, 'tmp/left'), 'x')
    chownSync(join(puppy.root, 'tmp/left'), 10_000, 10_000)

    t.match(await puppy.api('DELETE', '/v1/accounts/blog'), { status: 204 })
    t.match(await puppy.api('GET', '/v1/accounts/blog'), { status: 404 })
    t.match(await puppy.visit('blog.example.com'), { status: 404 }, 'the domain is deleted too')
    t.notOk(existsSync(join(puppy.root, 'etc/puppy/keys/p10000')), 'no key is left')
    t.match(await puppy.api('DELETE', '/v1/accounts/blog'), { status: 204 }, 'a second DELETE is 204')
    const again = await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small' })
    t.match(again, { status: 201, body: { ready: true } })
    t.not(again.body['uid'], 10_000, 'the name is free at once, on another slot')

    await eventually('the slot is free', async () => {
      const { body } = await puppy.api('GET', '/v1/hosts/h1/pool')
      const slots = body['slots'] as Record<string, number>
      return slots['dirty'] === 0 && slots['building'] === 0 ? true : undefined
    })
    t.strictSame(readdirSync(home), [], 'the home is empty')
    t.notOk(existsSync(join(puppy.root, 'tmp/left')))
    t.ok(existsSync('/etc/passwd'), 'links were not followed')
  },
)

void t.test(
  'the next account on a released slot gets no counters and no keys of the last one',
  { skip: cannotRun },
  async (t) => {
    const firstPort = 29_400
    const puppy = await createPuppy(t, { firstPort, env: { PUPPY_POOL: '1' } })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    await puppy.api('PUT', '/v1/hosts/h1/pool', { free: 0, max: 1 })
    const put = () => puppy.api('PUT', '/v1/accounts/first', { plan: 'small', sshKeys: [sshKey] })
    t.match(await put(), { status: 201, body: { uid: 10_000, ready: true } })
    await puppy.api('PUT', '/v1/domains/first.example.com', { account: 'first', port: firstPort })
    const server = await serveName(t, firstPort, 'first')
    for (let visits = 0; visits < 5; visits += 1) await puppy.visit('first.example.com')
    t.match(await puppy.api('PUT', '/v1/accounts/second', { plan: 'small' }), {
      status: 409,
      body: { code: 'pool_exhausted' },
    })
    server.closeAllConnections()
    server.close()
    await puppy.api('DELETE', '/v1/accounts/first')
    const second = await eventually('the slot is free again', async () => {
      const answer = await puppy.api('PUT', '/v1/accounts/second', { plan: 'small' })
      return answer.body['ready'] === true ? answer : undefined
    })
    t.equal(second.body['uid'], 10_000, 'the same slot')
    t.notOk(
      existsSync(join(puppy.root, 'etc/puppy/keys/p10000')) && readdirSync(join(puppy.root, 'home/p10000')).length > 0,
    )
    const { body } = await puppy.api('GET', '/v1/accounts/second/usage')
    t.equal(body['requests'], 0, 'no request to the last account is counted')
  },
)

void t.test(
  'a suspended account is answered with 503 and cannot log in; active again, it works as before',
  { skip: cannotRun },
  async (t) => {
    const firstPort = 31_600
    const puppy = await createPuppy(t, { firstPort })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    const spec = { plan: 'small', sshKeys: [sshKey] }
    await puppy.api('PUT', '/v1/accounts/blog', spec)
    await puppy.api('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: firstPort })
    await serveName(t, firstPort, 'the blog')
    t.match(await puppy.api('PATCH', '/v1/accounts/blog', { state: 'suspended' }), {
      status: 200,
      body: { state: 'suspended', ready: true },
    })
    t.match(await puppy.visit('blog.example.com'), { status: 503, body: /suspended/i })
    t.notOk(existsSync(join(puppy.root, 'etc/puppy/keys/p10000')))
    t.match(await puppy.api('PUT', '/v1/accounts/blog', spec), { status: 200, body: { state: 'active', ready: true } })
    t.match(await puppy.visit('blog.example.com'), { status: 200, body: 'the blog' })
    t.ok(existsSync(join(puppy.root, 'etc/puppy/keys/p10000')))
  },
)
