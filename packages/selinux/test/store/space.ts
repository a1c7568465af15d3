import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { storePaths } from '../../src/store/paths.ts'
import { assertSpace } from '../../src/store/space.ts'

const check = (du: string, df: string) =>
  assertSpace(
    createFakeHost({ programs: { '/usr/bin/du': () => ({ stdout: du }), '/usr/bin/df': () => ({ stdout: df }) } }),
    storePaths('default'),
  )

void t.test('assertSpace() requires three times the size of the store', async (t) => {
  await check('100\t/var/lib/x\n', 'Avail\n300\n')
  await t.rejects(check('100\t/var/lib/x\n', '    Avail\n      299\n'), {
    code: 'SELINUX_NO_SPACE',
    message: /299 bytes are free, and a transaction may need 300/,
  })
  await t.rejects(check('', 'Avail\n300\n'), { code: 'SELINUX_UNREADABLE' })
  await t.rejects(check('100\tx\n', 'Avail\n-\n'), { code: 'SELINUX_UNREADABLE' })
})
