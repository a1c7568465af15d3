import t, { type Test } from 'tap'
import { writeFile } from 'node:fs/promises'
import { renderCommands } from '../src/nft/render.ts'
import { loadCommands, renderRestore } from '../src/restore.ts'
import { tableOf } from '../src/rules/table.ts'
import { cannotRun, createLab, type Lab } from './support/lab.ts'
import { crowd, settings } from './support/settings.ts'
import { changesOf } from './support/changes-of.ts'

async function load(t: Test, lab: Lab, text: string): Promise<void> {
  const file = `${t.testdir({})}/restore.json`
  await writeFile(file, text)
  await lab.nft('-j', '-f', file)
}

void t.test('renderRestore() deletes a table that did not exist before', async (t) => {
  t.strictSame(JSON.parse(renderRestore('puppy', undefined)), {
    nftables: [
      { add: { table: { family: 'inet', name: 'puppy' } } },
      { delete: { table: { family: 'inet', name: 'puppy' } } },
    ],
  })
})

void t.test('renderRestore() restores the table from any later state', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  await lab.firewall.ensure(settings)
  const before = await lab.nft('list', 'table', 'inet', 'puppy')
  const restore = renderRestore('puppy', await lab.firewall.read())
  await lab.firewall.ensure(crowd(300))
  await load(t, lab, restore)
  t.strictSame(await changesOf(lab.firewall, settings).then((changes) => changes.map(({ target }) => target)), [
    'set sent',
    'set received',
  ])
  t.strictSame((await lab.firewall.ensure(settings)).changed, true)
  await lab.nft('flush', 'ruleset')
  await load(t, lab, restore)
  t.equal(await lab.nft('list', 'table', 'inet', 'puppy'), before, 'also after the table was deleted')
})

void t.test('renderRestore() restores foreign objects too', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  await lab.firewall.ensure(settings)
  await lab.nftScript(
    'table inet puppy { counter c { }; set e { type ether_addr; elements = { 00:11:22:33:44:55 }; }; chain x { ether saddr @e counter name c drop; }; }',
  )
  const before = await lab.nft('list', 'table', 'inet', 'puppy')
  const restore = renderRestore('puppy', await lab.firewall.read())
  await lab.firewall.ensure(settings)
  await load(t, lab, restore)
  const sorted = (text: string) => text.split('\n').toSorted().join('\n')
  t.equal(sorted(await lab.nft('list', 'table', 'inet', 'puppy')), sorted(before))
})

void t.test('loadCommands() can load a table twice and keeps counters', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const text = renderCommands(loadCommands(tableOf('puppy', settings)))
  await load(t, lab, text)
  t.strictSame(await changesOf(lab.firewall, settings), [])
  await lab.nftScript(
    'delete element inet puppy sent { 10000 }; add element inet puppy sent { 10000 counter packets 2 bytes 99 }',
  )
  await load(t, lab, text)
  t.strictSame(await changesOf(lab.firewall, settings), [])
  t.match((await lab.firewall.traffic())[0], { uid: 10_000, sentBytes: 99 })
})
