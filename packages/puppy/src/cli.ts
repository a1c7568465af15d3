import { cannotStart, DatabaseError, HostBusy, StartError, tryLater } from '@puppy/state/errors'
import type { Config } from './config.ts'
import { restartIfStripped } from './restart.ts'
import { warn, warnOf } from './say.ts'

type CommandOf = (config: Config, args: readonly string[]) => Promise<void>

/** The commands and their help. Each command loads only the modules that it needs, so that the start is fast. */
const commands: Readonly<Record<string, readonly [() => Promise<CommandOf>, string]>> = {
  down: [
    async () => (await import('./commands/down.ts')).down,
    'stop all processes of Puppy, HAProxy too; --purge also removes all that Puppy created, including tenants and their data',
  ],
  api: [async () => (await import('./commands/api.ts')).api, 'run only the HTTP API'],
  agent: [async () => (await import('./commands/agent.ts')).agent, 'run only the agent of this host'],
  doctor: [
    async () => (await import('./commands/doctor.ts')).doctor,
    'report what works on this host, what does not, and how to fix it',
  ],
  denials: [
    async () => (await import('./commands/denials.ts')).denials,
    'list what SELinux denied to tenants; --follow adds new denials; --hidden logged|silent logs or hides denials that the policy hides',
  ],
  plan: [async () => (await import('./commands/plan.ts')).plan, 'list what the agent would change now'],
  pool: [
    async () => (await import('./commands/pool.ts')).pool,
    'show the slots of this host; --free N sets how many stay free, --max N how many there may be',
  ],
  key: [
    async () => (await import('./commands/key.ts')).key,
    'create an API key for an admin, or for a reseller with --reseller NAME',
  ],
}

/** Parts of `up`, which only `up` runs. */
const parts: Readonly<Record<string, () => Promise<CommandOf>>> = {
  start: async () => (await import('./commands/start.ts')).start,
  database: async () => (await import('./commands/start.ts')).startDatabase,
  compile: async () => (await import('./commands/compile.ts')).compile,
}

function usage(): string {
  const listed: [string, string][] = Object.entries(commands).map(([name, [, what]]) => [name, what])
  const lines = [['up', 'start Puppy on this machine and keep it running'] as const, ...listed].map(
    ([name, what]) => `  ${name.padEnd(8)} ${what}`,
  )
  return `Usage: npm run puppy -- COMMAND\n${lines.join('\n')}\nSettings are environment variables; docs/configuration.md lists them.`
}

/** Returns the function of a command, or undefined for an unknown name. `up` reads no settings itself: `start` does. */
async function load(name: string): Promise<((args: readonly string[]) => Promise<void>) | undefined> {
  if (name === 'up') return (await import('./commands/up.ts')).up
  const command = commands[name]?.[0] ?? parts[name]
  if (command === undefined) return undefined
  const { readConfig } = await import('./config.ts')
  const config = readConfig(process.env)
  const run = await command()
  return (args) => run(config, args)
}

const [name = '', ...args] = process.argv.slice(2)
try {
  const run = await load(name)
  if (run === undefined) {
    warn(usage())
    process.exitCode = name === '' || name === 'help' || name === '--help' ? 0 : 64
  } else {
    if (['up', 'api', 'agent'].includes(name)) await restartIfStripped()
    await run(args)
  }
} catch (error) {
  const later = error instanceof DatabaseError || error instanceof HostBusy
  if (error instanceof StartError || later) warn(error.message)
  else warnOf(error)
  process.exitCode = error instanceof StartError ? cannotStart : later ? tryLater : 1
}
