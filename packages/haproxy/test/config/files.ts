import t from 'tap'
import { readBundle, readGood } from '../../src/config/bundle.ts'
import { installBundle, keepGood, removeFiles } from '../../src/config/files.ts'
import { makeFolders } from '../../src/context.ts'
import { testProxy } from '../support/proxy.ts'

void t.test(
  'readBundle() and readGood() return what installBundle() and keepGood() wrote, with TLS and without',
  async (t) => {
    const { context } = await testProxy(t)
    await makeFolders(context)
    t.equal(await readGood(context), undefined)
    for (const bundle of [{ config: 'a', crtList: 'b', script: 'd' }, { config: 'c' }]) {
      await installBundle(context, bundle)
      await keepGood(context, bundle)
      t.strictSame(await readBundle(context), bundle)
      t.strictSame(await readGood(context), bundle)
    }
    t.match(await context.host.status(context.files.config), { mode: 0o600 })
  },
)

void t.test('removeFiles() deletes only files of this package', async (t) => {
  const { context, settings } = await testProxy(t)
  await makeFolders(context)
  await installBundle(context, { config: 'a', crtList: 'b', script: 'd' })
  await keepGood(context, { config: 'a', crtList: 'b', script: 'd' })
  await context.host.replace(`${settings.folder}/.puppy-0123456789ab.tmp`, 'x')
  await context.host.replace(`${settings.runFolder}/other.sock`, 'x')
  await removeFiles(context)
  t.equal(await context.host.status(settings.folder), undefined)
  t.strictSame(await context.host.list(settings.runFolder), ['other.sock'])
  await t.resolves(removeFiles(context))
})
