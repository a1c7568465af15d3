import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { fakeKernel } from '../../src/fake/kernel.ts'
import { fakeStore, storeFiles } from '../../src/fake/store.ts'

void t.test('fakeStore() refuses a request that the tools refuse, and then does not change', async (t) => {
  const { commits, programs } = fakeStore({ kernel: fakeKernel('off', {}), booleans: { one: true } })
  const files = { ...storeFiles, '/a.cil': '(type a_t)', '/bad.cil': '(type' }
  const host = createFakeHost({ files, programs })
  const modules = () => host.list('/var/lib/selinux/default/active/modules/400')
  const semodule = (...words: string[]) => host.run(['/usr/sbin/semodule', ...words], { touches: 'machine' })
  await semodule('-i', '/a.cil')
  await t.rejects(semodule('-i', '/bad.cil'), { message: /modules\/400\/bad\/cil:1/ })
  await t.rejects(semodule('-i', '/a.cil', '-r', 'none'), { message: /Unable to remove module none/ })
  t.strictSame([await modules(), commits()], [['a'], 1])
  await semodule('-d', 'a')
  t.strictSame(await host.list('/var/lib/selinux/default/active/modules/disabled'), ['a'])
  await semodule('-e', 'a', '-r', 'a')
  t.strictSame([await modules(), commits()], [[], 3])
})
