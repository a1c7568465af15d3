import { defaultLayout } from '@puppy/accounts'
import t from 'tap'
import { readConfig, slugOf, type Surroundings } from '../src/config.ts'
import { StartError } from '@puppy/state'

const root: Surroundings = { uid: 0, hostname: 'Web-1.example.com', cwd: '/srv/puppy' }
const anna: Surroundings = { ...root, uid: 1000 }

void t.test('readConfig() as root manages the machine', async (t) => {
  t.strictSame(readConfig({}, root), {
    listen: { host: '127.0.0.1', port: 8420 },
    sockets: 0,
    stateDir: '/var/lib/puppy',
    runDir: '/run/puppy',
    urls: { owner: undefined, api: undefined, agent: undefined },
    host: 'web-1',
    pool: 10,
    require: [],
    most: { accounts: 1000, domains: 10_000 },
    auditDays: 365,
    adminKey: undefined,
    dryRun: false,
    root: '/',
    live: true,
    layout: defaultLayout,
    proxy: {
      listen: [':80'],
      tlsListen: [':443'],
      certificates: undefined,
      connectionsPerAddress: 1000,
      requestsPerAddress: 150,
      bodyRate: 500,
    },
    install: true,
    logLevel: 'info',
    privileged: true,
  })
})

void t.test('readConfig() without root only plans, and keeps its state beside the checkout', async (t) => {
  t.match(readConfig({}, anna), {
    stateDir: '/srv/puppy/var',
    runDir: '/srv/puppy/var/run',
    dryRun: true,
    privileged: false,
  })
})

void t.test('readConfig() with PUPPY_ROOT keeps everything below that folder', async (t) => {
  t.match(readConfig({ PUPPY_ROOT: '/tmp/x/' }, root), {
    root: '/tmp/x',
    live: false,
    stateDir: '/tmp/x/var/lib/puppy',
  })
})

void t.test('readConfig() returns a short run folder for a long state folder, always the same', async (t) => {
  const env = { PUPPY_STATE_DIR: `/srv/${'long/'.repeat(30)}state` }
  const { runDir } = readConfig(env, root)
  t.match(runDir, /^\/run\/puppy-[0-9a-f]{12}$/)
  t.equal(readConfig(env, root).runDir, runDir)
})

void t.test('readConfig() reads every variable and returns a frozen object', async (t) => {
  const config = readConfig(
    {
      PUPPY_LISTEN: '[::1]:9000',
      PUPPY_STATE_DIR: '/srv/state',
      PUPPY_RUN_DIR: '/run/x',
      PUPPY_HOST: 'h2',
      PUPPY_POOL: '25',
      PUPPY_REQUIRE: 'selinux,quota',
      PUPPY_ADMIN_KEY: `puppy_admin_${'a'.repeat(48)}`,
      PUPPY_DRY_RUN: '1',
      PUPPY_PROXY_LISTEN: '127.0.0.1:8080,[::1]:8080',
      PUPPY_PROXY_TLS_LISTEN: ':8443',
      PUPPY_CERTIFICATES: '/etc/certs',
      PUPPY_PROXY_ADDRESS_CONNECTIONS: '1000000',
      PUPPY_PROXY_ADDRESS_REQUESTS: '20',
      PUPPY_PROXY_BODY_RATE: '0',
      PUPPY_FIRST_UID: '20000',
      PUPPY_FIRST_PORT: '20000',
      PUPPY_NO_INSTALL: '1',
      PUPPY_LOG_LEVEL: 'debug',
      PUPPY_ACCOUNTS_PER_RESELLER: '7',
      PUPPY_DOMAINS_PER_RESELLER: '70',
      PUPPY_AUDIT_DAYS: '30',
      DATABASE_URL: 'postgres://a@x/d',
      API_DATABASE_URL: 'postgres://b@x/d',
      AGENT_DATABASE_URL: 'postgres://c@x/d',
      SOMETHING_ELSE: 'stays out',
    },
    root,
  )
  t.strictSame(config, {
    listen: { host: '::1', port: 9000 },
    sockets: 0,
    stateDir: '/srv/state',
    runDir: '/run/x',
    host: 'h2',
    pool: 25,
    require: ['selinux', 'quota'],
    most: { accounts: 7, domains: 70 },
    auditDays: 30,
    adminKey: `puppy_admin_${'a'.repeat(48)}`,
    dryRun: true,
    root: '/',
    live: true,
    install: false,
    logLevel: 'debug',
    privileged: true,
    proxy: {
      listen: ['127.0.0.1:8080', '[::1]:8080'],
      tlsListen: [':8443'],
      certificates: '/etc/certs',
      connectionsPerAddress: 1_000_000,
      requestsPerAddress: 20,
      bodyRate: 0,
    },
    layout: { ...defaultLayout, firstUid: 20_000, firstPort: 20_000 },
    urls: { owner: 'postgres://a@x/d', api: 'postgres://b@x/d', agent: 'postgres://c@x/d' },
  })
  t.ok(Object.isFrozen(config))
})

const names = refusalOf({ PUPPY_NONSENSE: '1' })
  .replace(/^.*the settings are /, '')
  .split(', ')

void t.test('readConfig() accepts the example of each of its error messages', async (t) => {
  t.ok(names.length >= 19, String(names))
  for (const name of names) {
    const example = refusalOf({ [name]: '§' }).replace(/^.*, for example /, '')
    t.ok(readConfig({ [name]: example }, root), `${name}=${example}`)
  }
})

void t.test(
  'readConfig() refuses invalid values of every variable in one line that starts with its name',
  async (t) => {
    for (const name of names) {
      for (const nonsense of ['§ nonsense', ' ', '\n', 'a\nb: c', '-1', '%s']) {
        const refused = refusalOf({ [name]: nonsense })
        t.ok(refused.startsWith(`${name}=`), refused)
        t.notMatch(refused, '\n', 'one line')
      }
    }
  },
)

void t.test('readConfig() refuses limits of an address that are out of bounds', async (t) => {
  for (const name of ['PUPPY_PROXY_ADDRESS_CONNECTIONS', 'PUPPY_PROXY_ADDRESS_REQUESTS', 'PUPPY_PROXY_BODY_RATE']) {
    for (const value of ['1000001', '01', '1.5', ...(name.endsWith('RATE') ? [] : ['0'])]) {
      t.ok(refusalOf({ [name]: value }).startsWith(`${name}="${value}" is invalid`), `${name}=${value}`)
    }
  }
})

void t.test('readConfig() treats an empty variable like one that is not set', async (t) => {
  t.strictSame(readConfig(Object.fromEntries(names.map((name) => [name, ''])), root), readConfig({}, root))
})

void t.test('readConfig() recognises / under other names', async (t) => {
  for (const path of ['/', '//', '/tmp/..']) t.match(readConfig({ PUPPY_ROOT: path }, root), { root: '/', live: true })
  const { live, stateDir, dryRun } = readConfig({ PUPPY_ROOT: '/tmp/x' }, anna)
  t.strictSame({ live, stateDir, dryRun }, { live: false, stateDir: '/tmp/x/var/lib/puppy', dryRun: true })
})

void t.test('readConfig() keeps the run folder short enough for paths of sockets', async (t) => {
  const runDirOf = (length: number) => readConfig({ PUPPY_STATE_DIR: `/${'x'.repeat(length - 1)}` }, root).runDir
  t.match(runDirOf(66), /\/run$/)
  t.equal(runDirOf(66).length, 70)
  t.match(runDirOf(67), /^\/run\/puppy-/)
  t.not(runDirOf(67), runDirOf(68), 'two state folders have different run folders')
})

function refusalOf(env: Record<string, string>): string {
  try {
    readConfig(env, root)
  } catch (error) {
    if (error instanceof StartError) return error.message
    throw error
  }
  return 'it was accepted'
}

const refusals: [title: string, env: Record<string, string>, line: RegExp][] = [
  [
    'an unknown setting',
    { PUPPY_POOOL: '1' },
    /^PUPPY_POOOL is not a setting of Puppy; the settings are PUPPY_LISTEN, /,
  ],
  [
    'an address without a port',
    { PUPPY_LISTEN: 'localhost' },
    /^PUPPY_LISTEN="localhost" is invalid: .*127\.0\.0\.1:8420/,
  ],
  ['port 0', { PUPPY_LISTEN: '127.0.0.1:0' }, /^PUPPY_LISTEN=.* a port is a number from 1 to 65535/],
  [
    'port 70000 of the proxy',
    { PUPPY_PROXY_LISTEN: ':80,:70000' },
    /^PUPPY_PROXY_LISTEN=":70000" is invalid: .* from 1 to 65535/,
  ],
  [
    'a short address',
    { PUPPY_PROXY_LISTEN: ':80,1.2:80' },
    /^PUPPY_PROXY_LISTEN="1\.2:80" is invalid: .*127\.0\.0\.1:80/,
  ],
  ['a name for the proxy', { PUPPY_PROXY_TLS_LISTEN: 'localhost:443' }, /^PUPPY_PROXY_TLS_LISTEN="localhost:443" is/],
  [
    'one address twice',
    { PUPPY_PROXY_LISTEN: ':80,127.0.0.1:80' },
    /^PUPPY_PROXY_LISTEN has ":80", and PUPPY_PROXY_LISTEN has "127\.0\.0\.1:80": one machine cannot/,
  ],
  [
    'the port of the proxy for the API',
    { PUPPY_LISTEN: '127.0.0.1:80' },
    /^PUPPY_LISTEN has "127\.0\.0\.1:80", and PUPPY_PROXY_LISTEN has ":80"/,
  ],
  [
    'one port for HTTP and HTTPS',
    { PUPPY_PROXY_LISTEN: ':443', PUPPY_CERTIFICATES: '/etc/certs' },
    /^PUPPY_PROXY_LISTEN has ":443", and PUPPY_PROXY_TLS_LISTEN has ":443"/,
  ],
  ['a relative folder', { PUPPY_STATE_DIR: 'var' }, /^PUPPY_STATE_DIR="var" is invalid/],
  ['a host that is not a slug', { PUPPY_HOST: 'Web 1' }, /^PUPPY_HOST="Web 1" is invalid/],
  ['a pool that is not a number', { PUPPY_POOL: '-1' }, /^PUPPY_POOL="-1" is invalid/],
  ['a pool larger than the ports', { PUPPY_POOL: '2817' }, /^PUPPY_POOL=2817 is more than the 2816 slots/],
  ['a line break', { PUPPY_HOST: 'h1\nx' }, /^PUPPY_HOST="h1\\nx" is invalid/],
  ['uids of the system', { PUPPY_FIRST_UID: '0999' }, /^PUPPY_FIRST_UID and PUPPY_FIRST_PORT are invalid: /],
  [
    'uids that overlap those of DynamicUser',
    { PUPPY_FIRST_UID: '60000' },
    /^PUPPY_FIRST_UID and PUPPY_FIRST_PORT are invalid: .*systemd-homed/,
  ],
  [
    'an unknown layer',
    { PUPPY_REQUIRE: 'selinux,qouta' },
    /^PUPPY_REQUIRE="selinux,qouta" is invalid: .*accounts, cgroups, view, mounts, quota/,
  ],
  ['a list with an empty item', { PUPPY_REQUIRE: 'selinux,' }, /^PUPPY_REQUIRE="selinux," is invalid/],
  [
    'ports that do not fit',
    { PUPPY_FIRST_PORT: '99999' },
    /^PUPPY_FIRST_UID and PUPPY_FIRST_PORT are invalid: firstPort is 99999/,
  ],
  ['a dry run that is neither 0 nor 1', { PUPPY_DRY_RUN: 'maybe' }, /^PUPPY_DRY_RUN="maybe" is invalid/],
  ['an unknown log level', { PUPPY_LOG_LEVEL: 'loud' }, /^PUPPY_LOG_LEVEL="loud" is invalid/],
]
for (const [title, env, line] of refusals) {
  void t.test(`readConfig() refuses ${title} in one line`, async (t) => {
    t.throws(() => readConfig(env, root), { message: line })
    t.throws(() => readConfig(env, root), StartError)
  })
}

void t.test('readConfig() never shows a value that may be a secret', async (t) => {
  for (const name of [
    'PUPPY_ADMIN_KEY',
    'DATABASE_URL',
    'API_DATABASE_URL',
    'AGENT_DATABASE_URL',
    'PUPPY_ADMIN_KEYS',
  ]) {
    const refused = refusalOf({ [name]: 'mysql://u:hunter2@x' })
    t.ok(refused.startsWith(name), refused)
    t.notMatch(refused, /hunter2/)
  }
})

void t.test('readConfig() refuses to apply anything without root', async (t) => {
  t.throws(() => readConfig({ PUPPY_DRY_RUN: '0' }, anna), { message: /needs root/ })
})

void t.test('slugOf() returns a slug for any host name', async (t) => {
  const rows: [string, string][] = [
    ['Web-1.example.com', 'web-1'],
    ['127', 'host'],
    ['9lives', 'lives'],
    ['', 'host'],
    ['a_b', 'a-b'],
  ]
  for (const [name, slug] of rows) t.equal(slugOf(name), slug)
})

void t.test('readConfig() takes sockets that were handed over to this process', async (t) => {
  const here = { ...root, pid: 42 }
  t.equal(readConfig({ LISTEN_FDS: '2' }, here).sockets, 2, 'puppy up does not know the pid')
  t.equal(readConfig({ LISTEN_FDS: '1', LISTEN_PID: '42' }, here).sockets, 1)
  t.equal(readConfig({ LISTEN_FDS: '1', LISTEN_PID: '43' }, here).sockets, 0, 'they are for another process')
  for (const LISTEN_FDS of ['0', '-1', '17', 'x', ''])
    t.throws(() => readConfig({ LISTEN_FDS }, here), { message: /^LISTEN_FDS=".*" is invalid: expected the number of/ })
})
