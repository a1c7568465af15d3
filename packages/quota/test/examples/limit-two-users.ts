import t from 'tap'
import { runExample } from '../support/example.ts'

void t.test('the example reports why it cannot work on a file system without quota', async (t) => {
  const { status, stderr } = runExample('/proc')
  t.equal(status, 1)
  t.match(stderr, /QUOTA_UNSUPPORTED|QUOTA_NOT_INSTALLED/)
})
