import { matchWhole } from '@puppy/host/testing'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { scratchFolder } from '@puppy/host/testing'
import { flags } from '../src/node-command.ts'

const source = `
import { hasStripper, restartIfStripped } from ${JSON.stringify(new URL('../src/restart.ts', import.meta.url).href)}
const before: boolean = hasStripper()
await restartIfStripped()
const attempt = process.env['PUPPY_ATTEMPT']
console.log(JSON.stringify({ pid: process.pid, before, after: hasStripper(), flags: process.execArgv, args: process.argv.slice(2), attempt }))
`

async function run(file: string, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [file, 'one', 'two'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  t.equal(output.trim().split('\n').length, 1, 'it does its work once')
  return { ...(JSON.parse(output) as { readonly pid: number; readonly flags: readonly string[] }), child: child.pid }
}

void t.test('restartIfStripped() continues in the same process, without the stripper and with the flags', async (t) => {
  const folder = scratchFolder(t)
  const file = `${folder}/program.ts`
  writeFileSync(file, source)
  mkdirSync(`${folder}/cache`)
  for (const title of ['with a cold cache', 'with a warm one']) {
    const found = await run(file, { NODE_COMPILE_CACHE: `${folder}/cache` })
    matchWhole(t, found, { pid: found.child, before: false, after: false, args: ['one', 'two'] }, title)
    t.notOk('attempt' in found, 'programs that it starts do not inherit the number of attempts')
    for (const flag of flags) t.ok(found.flags.includes(flag), flag)
  }
})

void t.test('restartIfStripped() continues where no cache can be written', async (t) => {
  const folder = scratchFolder(t)
  const file = `${folder}/program.ts`
  writeFileSync(file, source)
  writeFileSync(`${folder}/cache`, 'a file')
  t.match(await run(file, { NODE_COMPILE_CACHE: `${folder}/cache/below` }), { after: true })
})
