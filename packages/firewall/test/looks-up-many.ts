import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { looksUpMany } from '../src/looks-up-many.ts'
import { openProgram } from '../src/program.ts'
import { cannotRun, createLab } from './support/lab.ts'
import { crowd } from './support/settings.ts'

const elements = (count: number) => ({
  add: { element: { name: 'sent', elem: Array.from({ length: count }, () => 7) } },
})

void t.test('looksUpMany() counts the elements of all commands', async (t) => {
  t.equal(looksUpMany([]), false)
  t.equal(looksUpMany([{ add: { table: { name: 'x' } } }, { flush: { set: { name: 'x' } } }]), false)
  t.equal(looksUpMany([elements(16), elements(15)]), false)
  t.equal(looksUpMany([elements(16), elements(16)]), true)
})

void t.test('apply() runs nft directly when it cannot create a mount namespace', async (t) => {
  const unshare = () => ({ exitCode: 1, stderr: 'unshare: unshare failed: Operation not permitted\n' })
  const programs = { '/usr/sbin/nft': () => ({}), '/usr/bin/unshare': unshare }
  const others = Object.fromEntries(['find', 'mount', 'timeout'].map((name) => [`/usr/bin/${name}`, () => ({})]))
  const host = createFakeHost({ programs: { ...programs, ...others } })
  await openProgram(host).apply('load', [elements(32)])
  t.strictSame(
    host.commands.map(([program]) => program),
    ['/usr/bin/unshare', '/usr/sbin/nft'],
  )
})

void t.test(
  'apply() does not resolve a login name of digits, and reports a refusal',
  { skip: cannotRun },
  async (t) => {
    const lab = await createLab(t)
    // ip-netns(8): a program in the namespace sees these files instead of those in /etc.
    const folder = `/etc/netns/${lab.netns}`
    await mkdir(folder, { recursive: true })
    t.teardown(() => rm(folder, { recursive: true }))
    await writeFile(`${folder}/passwd`, 'root:x:0:0::/:/bin/sh\n10000:x:4242:4242::/:/bin/sh\n')
    await lab.nftScript('table inet mine { set s { type uid; elements = { 10000 } }; }')
    t.match(
      await lab.nft('list', 'table', 'inet', 'mine'),
      'elements = { 4242 }',
      'nft without this library resolves the login name',
    )

    await lab.firewall.ensure(crowd(40))
    const sets = (await lab.firewall.read())?.sets
    t.strictSame(sets?.get('sent')?.elements[0]?.key, [10_000])
    t.strictSame(sets?.get('own')?.elements[0]?.key[0], 10_000)

    const bad = { add: { rule: { family: 'inet', table: 'puppy', chain: 'nowhere', expr: [{ accept: null }] } } }
    const many = Array.from({ length: 40 }, (_, index) => 20_000 + index)
    const commands = [{ add: { element: { family: 'inet', table: 'puppy', name: 'sent', elem: many } } }, bad]
    await t.rejects(openProgram(lab.host, { netns: lab.netns, folder: t.testdir() }).apply('load', commands), {
      code: 'FIREWALL_REFUSED',
      message: /nowhere.*nothing was changed/,
    })
    t.equal((await lab.firewall.read())?.sets.get('sent')?.elements.length, 40)
  },
)
