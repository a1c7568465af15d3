import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { cannotRun, createLab, run } from '../support/lab.ts'

void t.test('the example runs', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  t.teardown(() => rm(`/tmp/${lab.netns}`, { recursive: true }))
  const script = fileURLToPath(new URL('../../examples/protect-two-tenants.ts', import.meta.url))
  const said = await run([process.execPath, '--no-warnings', script, lab.netns])
  t.match(
    said,
    /^add table 11 chains[\s\S]*false[\s\S]*belongs to uid 10000; uid 10001 is neither the owner nor a caller[\s\S]*sentBytes: 0/,
  )
  t.equal(await lab.nft('list', 'ruleset'), '', 'it leaves no rules behind')
})
