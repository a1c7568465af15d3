import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createHost } from '@puppy/host'
import { identifyProcess } from '@puppy/host/process'
import { scratchFolder } from '@puppy/host/testing'
import { smallPlan, sshKey } from '@puppy/state/testing'
import { cannotRun, createPuppy, runCommand } from '../support/puppy.ts'

t.setTimeout(300_000)

void t.test(
  'down() stops everything and keeps all data; down --purge leaves no process, user or file of Puppy',
  { skip: cannotRun },
  async (t) => {
    const puppy = await createPuppy(t, { firstPort: 32_000 })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small', sshKeys: [sshKey] })
    const pids = (['up', 'api', 'agent', 'haproxy', 'postgres'] as const).map((name) => puppy.pidOf(name))
    for (const pid of pids) t.ok(await identifyProcess(createHost(), pid), `process ${pid} runs`)
    t.match(await puppy.command('down'), { code: 0 })
    for (const pid of pids) t.equal(await identifyProcess(createHost(), pid), undefined, `process ${pid} has ended`)
    t.ok(existsSync(join(puppy.root, 'home/p10000')), 'homes stay')
    t.match(await puppy.command('down'), { code: 0 }, 'a second down does nothing')

    await puppy.up()
    t.match(await puppy.api('GET', '/v1/accounts/blog'), { status: 200, body: { ready: true } })
    writeFileSync(join(puppy.root, 'home/mine'), 'not ours')
    // The purge uses the layout that the slots were built with, and not the changed setting.
    const purge = await runCommand({ ...puppy.env, PUPPY_FIRST_UID: '20000' }, ['down', '--purge'])
    t.equal(purge.code, 0, purge.output)
    t.match(purge.output, /Installed packages, such as haproxy, stay/)
    t.notMatch(readFileSync(join(puppy.root, 'etc/passwd'), 'utf8'), /p10000/)
    t.notMatch(readFileSync(join(puppy.root, 'etc/group'), 'utf8'), /puppy/)
    t.strictSame(readdirSync(join(puppy.root, 'home')), ['mine'], 'a file of another program stays')
    t.notOk(existsSync(puppy.stateDir))
    t.notOk(existsSync(join(puppy.root, 'etc/puppy')))
  },
)

void t.test('down --purge removes a run folder outside the state folder', { skip: cannotRun }, async (t) => {
  const runDir = join(scratchFolder(t), 'run')
  const puppy = await createPuppy(t, { firstPort: 32_400, env: { PUPPY_RUN_DIR: runDir } })
  mkdirSync(join(puppy.root, 'etc'))
  // The folders of facilities on a real machine.
  for (const name of ['postgres', 'haproxy', 'firewall', 'cgroups']) {
    mkdirSync(join(runDir, name), { recursive: true })
    writeFileSync(join(runDir, name, 'note'), '')
  }
  const { code, output } = await puppy.command('down', '--purge')
  t.equal(code, 0, output)
  t.notOk(existsSync(runDir), output)
})

void t.test('down --purge prints no name of a file raw', { skip: cannotRun }, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 32_600 })
  await puppy.up()
  await puppy.api('PUT', '/v1/plans/small', smallPlan)
  await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small' })
  // It would set the title of the terminal, clear the screen, reverse text and forge a line.
  const hostile = 'a\u001b]0;x\u0007\u001b[2J\u009b2J\u202e\u2028\nRemoved everything'
  for (const folder of ['home/p10000', 'home/p10000/.ssh', 'tmp', 'home']) {
    mkdirSync(join(puppy.root, folder), { recursive: true })
    writeFileSync(join(puppy.root, folder, hostile), '')
  }
  writeFileSync(join(puppy.stateDir, hostile), '')
  const { output } = await puppy.command('down', '--purge')
  t.match(output, 'a\\u001b]0;x\\u0007', 'the name is shown')
  t.notMatch(output, /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u)
  t.strictSame(
    output.split('\n').filter((line) => line === 'Removed everything'),
    [],
    'no line is forged',
  )
})

void t.test('down() refuses an unknown option', { skip: cannotRun }, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 32_200 })
  t.match(await puppy.command('down', '--everything'), { code: 78, output: /^Unknown argument --everything of down/ })
})
