import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { fakeKernel } from '../../src/fake/kernel.ts'

const [context, access] = ['/sys/fs/selinux/context', '/sys/fs/selinux/access']

void t.test('fakeKernel() knows the loaded policy and compares levels', async (t) => {
  const { answers, files, load } = fakeKernel('enforcing', { one: true })
  const host = createFakeHost({ answers, files })
  const tenant = (level: string) => `puppy_u:user_r:user_t:${level}`
  const ask = async (target: string) => (await host.ask(access, `${tenant('s0:c1')} ${target} 1\0`))?.split(' ')[0]
  await t.rejects(host.ask(context, tenant('s0:c1')), { message: /EINVAL/ })
  await load(host, '(user puppy_u) (type own_port_t)', { one: true })
  t.equal(await host.ask(context, tenant('s0:c1')), tenant('s0:c1'))
  t.strictSame(
    [await ask(tenant('s0:c1')), await ask(tenant('s0:c2')), await ask('system_u:object_r:own_port_t:s0:c2')],
    ['ffffffff', '0', '0'],
  )
  t.equal(await ask('system_u:object_r:etc_t:s0:c2'), 'ffffffff')
  for (const bad of ['', 'x y 1', `${tenant('s0')} ${tenant('s0')} x`])
    await t.rejects(host.ask(access, bad), { message: /EINVAL/ }, bad)
})

void t.test('fakeKernel() keeps values across a load, and has no files when SELinux is off', async (t) => {
  const kernel = fakeKernel('permissive', { one: false })
  const host = createFakeHost({ files: kernel.files })
  t.equal(await host.read('/sys/fs/selinux/enforce'), '0')
  t.match(await kernel.set(host, ['none=1']), { exitCode: 1 })
  await kernel.set(host, ['one=1'])
  await kernel.load(host, '', { one: false, two: true })
  t.strictSame(await host.list('/sys/fs/selinux/booleans'), ['one', 'two'])
  t.equal(await host.read('/sys/fs/selinux/booleans/one'), '1 1')
  await kernel.load(host, '', {})
  t.strictSame(await host.list('/sys/fs/selinux/booleans'), [])
  const { files, answers } = fakeKernel('off', { one: true })
  t.strictSame([files, answers], [{}, {}])
})
