import t from 'tap'
import { assertOnce } from '../src/file-text.ts'

void t.test('assertOnce() refuses a path that is listed twice', async (t) => {
  const [one, other] = [{ path: '/a', text: 'x' }, { path: '/b', text: 'x' }] // prettier-ignore
  assertOnce([])
  assertOnce([one, other])
  t.throws(() => assertOnce([one, other, { ...one, text: 'y' }]), { name: 'TypeError', message: /once.*"\/a"/ })
})
