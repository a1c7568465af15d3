import t from 'tap'
import { createPhases } from '../src/phases.ts'

void t.test('createPhases() adds up phases of the same name, including failed ones', async (t) => {
  let now = 0
  const phases = createPhases(() => now)
  const spend = (name: string, time: number) => phases.time(name, async () => void (now += time))
  await spend('build', 1500)
  await spend('boot', 200)
  await spend('build', 100)
  const failing = phases.time('boot', async () => {
    now += 50
    throw new Error('no')
  })
  await t.rejects(failing, { message: 'no' })
  t.equal(phases.summary(), 'build 1.6 s, boot 0.3 s, total 1.9 s')
})
