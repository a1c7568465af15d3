import { readConfig, type Config } from './config.ts'
import { cannotStart, DatabaseError, StartError } from '@puppy/state'

type CommandOf = (config: Config, args: readonly string[]) => Promise<void>

/** Each command loads only what it needs: half of a quick start is not reading the other half of the program. */
const commands: Readonly<Record<string, readonly [() => Promise<CommandOf>, string]>> = {
  up: [async () => (await import('./commands/up.ts')).up, 'bring everything up and keep it up'],
  down: [
    async () => (await import('./commands/down.ts')).down,
    'end everything, HAProxy too; --purge removes all that is ours, tenants included',
  ],
  api: [async () => (await import('./commands/api.ts')).api, 'only the HTTP API'],
  agent: [async () => (await import('./commands/agent.ts')).agent, 'only the agent of this host'],
  doctor: [
    async () => (await import('./commands/doctor.ts')).doctor,
    'what works here, what does not and what would help',
  ],
  denials: [
    async () => (await import('./commands/denials.ts')).denials,
    'what SELinux denied tenants; --follow tells each as it happens, --hidden logged|silent',
  ],
  plan: [async () => (await import('./commands/plan.ts')).plan, 'what the agent would change now'],
  pool: [async () => (await import('./commands/pool.ts')).pool, 'the slots of this host; --free N --max N sets them'],
  key: [
    async () => (await import('./commands/key.ts')).key,
    'make an API key; --reseller NAME, otherwise for an admin',
  ],
}

function usage(): string {
  const lines = Object.entries(commands).map(([name, [, what]]) => `  ${name.padEnd(8)} ${what}`)
  return `Usage: npm run puppy -- COMMAND\n${lines.join('\n')}\nSettings are environment variables; the README lists them.`
}

const [name = '', ...args] = process.argv.slice(2)
const command = commands[name]
if (command === undefined) {
  console.error(usage())
  process.exitCode = name === '' || name === 'help' || name === '--help' ? 0 : 64
} else {
  try {
    const config = readConfig(process.env)
    const run = await command[0]()
    await run(config, args)
  } catch (error) {
    if (error instanceof StartError || error instanceof DatabaseError) console.error(error.message)
    else console.error(error)
    process.exitCode = error instanceof StartError ? cannotStart : 1
  }
}
