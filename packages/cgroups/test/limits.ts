import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { faultsOf, limitsWith, limitTable } from '../src/limits.ts'

void t.test('@puppy/cgroups/limits is pure: a process that loads it loads no other package', async (t) => {
  const entry = fileURLToPath(new URL('../src/limits.ts', import.meta.url))
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    await import(${JSON.stringify(entry)})
    console.log(JSON.stringify(loaded))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  const loaded = JSON.parse(stdout) as readonly string[]
  t.ok(loaded.some((url) => url.endsWith('/limits/table.ts')))
  t.strictSame(
    loaded.filter((url) => !/\/packages\/cgroups\/src\/(limits\.ts|formats\.ts|limits\/[a-z]+\.ts)$/.test(url)),
    [],
  )
})

void t.test('@puppy/cgroups/limits describes the valid values of limits', async (t) => {
  t.strictSame(limitTable['pids.max'].schema, { type: 'integer', minimum: 1, maximum: 4_194_304 })
  t.strictSame(limitsWith('memory.swapMax', 5), { memory: { swapMax: 5 } })
  t.strictSame(limitsWith('io.max.rbps', 'max', '8:16'), { io: { max: [{ device: '8:16', rbps: 'max' }] } })
  t.strictSame(
    faultsOf(limitsWith('cpu.weight', 0)).map(({ name }) => name),
    ['cpu.weight'],
  )
})
