import t from 'tap'
import { sharedFolders } from '../src/shared-folders.ts'
import { renderTemporary } from '../src/temporary.ts'

void t.test('renderTemporary() replaces each shared folder by a private one', async (t) => {
  const { folders } = renderTemporary({ group: 'tenants', below: '/home/.temporary' })
  t.equal(folders.length, 1 + sharedFolders.length)
})
