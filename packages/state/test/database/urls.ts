import t from 'tap'
import { embeddedUrls } from '../../src/database/urls.ts'

void t.test('embeddedUrls() encodes every character of the socket folder', async (t) => {
  const { api } = embeddedUrls({ runDir: '/srv/a b&c?d' })
  t.equal(new URL(api.replace('@/', '@x/')).searchParams.get('host'), '/srv/a b&c?d/postgres')
})
