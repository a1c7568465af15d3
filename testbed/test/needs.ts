import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { assertSpace, ensureNeeds, missingPackages } from '../src/needs.ts'

void t.test('missingPackages() returns each package once, and uidmap only without root', async (t) => {
  t.strictSame(
    missingPackages(() => true, false),
    [],
  )
  t.strictSame(
    missingPackages((program) => !program.startsWith('ssh'), true),
    ['openssh-client'],
  )
  t.ok(missingPackages(() => false, false).includes('uidmap'))
  t.notOk(missingPackages(() => false, true).includes('uidmap'))
})

void t.test('ensureNeeds() without permission to install throws the command to run', async (t) => {
  const said: string[] = []
  const ask = ensureNeeds({ host: createFakeHost(), say: (line) => said.push(line), install: false })
  await t.rejects(ask, {
    name: 'TestbedError',
    message: /^The testbed needs qemu-system-x86, .*; as root run: apt-get install/,
  })
  t.strictSame(said, [])
})

void t.test('assertSpace() names the needed space, the folder and the free space', async (t) => {
  const folder = t.testdir()
  await assertSpace(folder, 1)
  await t.rejects(assertSpace(folder, 2 ** 60), {
    message: /^The testbed needs 1073741824\.0 GiB in .*, but only [0-9.]+ GiB are free there$/,
  })
})
