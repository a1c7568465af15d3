import { createHost } from '@puppy/host'
import t from 'tap'
import { renderRecords } from '../../src/cil/index.ts'
import { openPolicy } from '../../src/index.ts'
import { policyConforms } from '../support/conformance.ts'
import { createDisk } from '../support/disk.ts'
import { storeChecks } from '../support/facility.ts'
import { commitsOf, createMiniStore, noLibrary, noStore, semodule } from '../support/mini.ts'
import { whyNot } from '../support/tenants.ts'

t.setTimeout(600_000)
const machine = createHost()
const skip = (await whyNot(machine)) || noStore || noLibrary
const longRun = process.env['TEST_FULL'] !== '1' && 'a long run: testbed test --full'
void t.test(
  'openPolicy() with the tools of this release passes the conformance suite',
  { skip: skip || longRun },
  async (t) => {
    const host = await createMiniStore(t)
    await policyConforms(t, {
      host,
      commits: () => commitsOf(host),
      removeModule: async (name) => void (await semodule(host, '-X', '400', '-r', name)),
    })
  },
)

void t.test(
  'openPolicy() with the tools of this release passes the facility suite',
  { skip: skip || longRun },
  async (t) => {
    const template = await createMiniStore(t)
    for (const { name, run } of storeChecks(template)) await t.test(name, run)
  },
)

void t.test('a full disk changes nothing, before or during a transaction', { skip }, async (t) => {
  const disk = await createDisk(t, machine, { size: '24M' })
  const host = await createMiniStore(t, disk.folder)
  const policy = openPolicy(host)
  const ports = Array.from({ length: 500 }, (_, n) => ({ protocol: 'tcp' as const, first: 1000 + n, type: 'port_t' }))
  const specOf = (name: string) => ({ modules: { puppy_a: renderRecords({ ports }) + `(type ${name}_t)\n` } })
  t.equal((await policy.ensure(specOf('one'))).changed, true)
  const [before, commits] = [await policy.read(), await commitsOf(host)]
  await disk.leave(100_000)
  await t.rejects(policy.ensure(specOf('two')), { code: 'SELINUX_NO_SPACE', message: /bytes are free/ })
  t.strictSame([await policy.read(), await commitsOf(host)], [before, commits])

  let within = 0
  for (let turn = 0; turn < 10 && within < 3; turn += 1) {
    await disk.empty()
    const error = await disk.fillOnce(host.path('/var/lib/selinux/mini/tmp'), policy.ensure(specOf('two')))
    await disk.empty()
    if (error === undefined) {
      // The transaction was already done. Restore the state for the next attempt.
      await policy.ensure(specOf('one'))
      continue
    }
    t.match(error, { code: 'SELINUX_NO_SPACE', message: /the disk (became|is) full/ })
    within += 1
    t.strictSame((await policy.read()).modules, before.modules)
    t.match(await semodule(host, '-l'), /^base$/m, 'the store is valid')
  }
  t.equal(within, 3, 'the disk became full during three transactions')
  t.equal((await policy.ensure(specOf('two'))).changed, true, 'with free space the transaction succeeds')
})
