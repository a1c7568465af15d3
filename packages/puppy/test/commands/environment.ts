import t from 'tap'
import { childEnvironment } from '../../src/commands/environment.ts'
import { readConfig } from '../../src/config.ts'

const env = {
  DATABASE_URL: 'postgres://owner:s1@x/d',
  API_DATABASE_URL: 'postgres://api:s2@x/d',
  AGENT_DATABASE_URL: 'postgres://agent:s3@x/d',
  PUPPY_ADMIN_KEY: `puppy_admin_${'a'.repeat(48)}`,
  PUPPY_PROXY_LISTEN: ':8080',
  PUPPY_LISTEN: '127.0.0.1:9000',
  HOME: '/root',
  AWS_SECRET_ACCESS_KEY: 'x',
}
const config = readConfig(env, { uid: 0, hostname: 'h1', cwd: '/' })

void t.test('childEnvironment() returns only the variables that a process needs', async (t) => {
  const api = childEnvironment(config, 'api', env)
  const agent = childEnvironment(config, 'agent', env)
  t.match(api, {
    API_DATABASE_URL: env.API_DATABASE_URL,
    PUPPY_LISTEN: '127.0.0.1:9000',
    PUPPY_STATE_DIR: '/var/lib/puppy',
  })
  t.match(agent, { AGENT_DATABASE_URL: env.AGENT_DATABASE_URL, PUPPY_PROXY_LISTEN: ':8080' })
  for (const [name, given] of Object.entries({ api, agent })) {
    for (const secret of ['s1', name === 'api' ? 's3' : 's2', 'puppy_admin'])
      t.notMatch(JSON.stringify(given), secret, `${name} does not get ${secret}`)
    t.notOk('HOME' in given || 'AWS_SECRET_ACCESS_KEY' in given)
  }
  t.notOk('PUPPY_PROXY_LISTEN' in api)
})

void t.test('childEnvironment() passes every setting of HAProxy to the agent', async (t) => {
  const proxy = {
    PUPPY_PROXY_LISTEN: ':8080',
    PUPPY_PROXY_TLS_LISTEN: ':8443',
    PUPPY_CERTIFICATES: '/c',
    PUPPY_PROXY_ADDRESS_CONNECTIONS: '7',
    PUPPY_PROXY_ADDRESS_REQUESTS: '8',
    PUPPY_PROXY_BODY_RATE: '9',
  }
  const whole = { ...env, ...proxy }
  const surroundings = { uid: 0, hostname: 'h1', cwd: '/' }
  const given = childEnvironment(readConfig(whole, surroundings), 'agent', whole)
  const { NODE_NO_WARNINGS: _, MALLOC_ARENA_MAX: __, ...settings } = given
  t.strictSame(readConfig(settings, surroundings).proxy, readConfig(whole, surroundings).proxy)
})
