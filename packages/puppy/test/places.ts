import t from 'tap'
import { readConfig } from '../src/config.ts'
import { databaseUrls, placesOf } from '../src/places.ts'

const root = { uid: 0, hostname: 'h1', cwd: '/' }

void t.test('placesOf() keeps everything below the state and run folders', (t) => {
  const places = placesOf(readConfig({ PUPPY_ROOT: '/tmp/x' }, root))
  for (const path of [places.adminKey, places.logs, places.proxy, places.upLock, places.api.path])
    t.ok(path.startsWith('/tmp/x/var/lib/puppy/'), path)
  t.end()
})

void t.test('databaseUrls() returns the embedded URLs unless others are set', async (t) => {
  t.match(databaseUrls(readConfig({}, root)), {
    owner: 'postgres://puppy@/puppy?host=%2Frun%2Fpuppy%2Fpostgres',
    api: /puppy_api/,
    agent: /puppy_agent/,
  })
  t.match(databaseUrls(readConfig({ API_DATABASE_URL: 'postgres://x@y/z' }, root)), { api: 'postgres://x@y/z' })
})
