import t from 'tap'
import { problemOf } from '../../src/commands/doctor.ts'
import { cannotRun, createPuppy } from '../support/puppy.ts'

t.setTimeout(120_000)

void t.test('doctor() reports what works, what does not and what to do', { skip: cannotRun }, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 10_800 })
  const before = await puppy.command('doctor')
  t.match(before, { code: 1, output: /NOT OK haproxy process: not running; start it with "npm start"/ })
  t.match(before.output, /NOT OK database/)
  await puppy.up()
  const after = await puppy.command('doctor')
  for (const line of [/^ok {5}haproxy \d/m, /^ok {5}database$/m, /^ok {5}agent of h1$/m, /^ok {5}haproxy process$/m])
    t.match(after.output, line)
  t.match(after.output, /Missing isolation layers: cgroups, view, mounts, quota, firewall, selinux/)
})

void t.test('problemOf() adds what to do, unless the reason says it', async (t) => {
  t.equal(problemOf({ works: false, reason: 'it is off' }), 'it is off')
  t.equal(problemOf({ works: false, remedy: 'turn it on' }), 'turn it on')
  t.equal(problemOf({ works: false, reason: 'it is off', remedy: 'turn it on' }), 'it is off; to enable it: turn it on')
  const whole = 'it is off; to enable it: turn it on'
  t.equal(problemOf({ works: false, reason: whole, remedy: 'turn it on' }), whole)
})
