import type { Command, Host } from '@puppy/host'
import { HostError, unprivileged } from '@puppy/host'
import type { SystemUser } from '@puppy/state/embedded'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from './commands/environment.ts'
import type { Config } from './config.ts'
import { compileCache, nodeCommand } from './node-command.ts'

type ApiEnvironment = Readonly<Record<string, string>> & { readonly NODE_COMPILE_CACHE: string }

/** How the API is started. */
export interface ApiProcess {
  readonly command: Command
  readonly env: Readonly<Record<string, string>>
  /** What is degraded about it, in one line. */
  readonly remark?: string
}

/**
 * Prepares the process of the API. Without root, it runs as this user. As root, it never has root: setpriv starts it as the user of the API.
 *
 * If that user cannot read the code, as in a checkout below `/root`, the API starts as root without the means to gain privileges, and drops
 * root after it has loaded its code, before it serves the first connection.
 */
export async function prepareApi(machine: Host, config: Config, user: SystemUser | undefined): Promise<ApiProcess> {
  const env: ApiEnvironment = { NODE_COMPILE_CACHE: compileCache, ...childEnvironment(config, 'api') }
  const command = nodeCommand('api')
  if (user === undefined) return { command, env }
  const load = nodeCommand('compile')
  // Before the first start, the check alone would load all code twice: that user cannot write the cache.
  const isFirst = !(await machine.list(env.NODE_COMPILE_CACHE)).some((name) => name.endsWith(`-${user.uid}`))
  if (isFirst) await compileFor(machine, user, load, env)
  const check = await runCompile(machine, unprivileged(machine, user, load), env)
  if (check === notCompiled) await compileFor(machine, user, load, env)
  if (check === 0 || check === notCompiled) return { command: unprivileged(machine, user, command), env }
  await runCompile(machine, load, env)
  const code = dirname(fileURLToPath(new URL('../..', import.meta.url)))
  const remark = `api: the user ${user.name} cannot read the code in ${code}, so the API starts as root and drops root before it serves; make the folder and those above it readable, for example in /opt`
  return { command: asRootAtFirst(machine, command), env, remark }
}

/**
 * Fills Node's compile cache for a user. Node has a folder for each real uid. The files belong to the effective user, which is root here, so
 * the user cannot change its own code.
 */
async function compileFor(machine: Host, user: SystemUser, load: Command, env: ApiEnvironment): Promise<void> {
  const { NODE_COMPILE_CACHE: cache } = env
  // Node ignores the variable in a process with two uids.
  const enable = `import { enableCompileCache } from 'node:module'; enableCompileCache(${JSON.stringify(cache)})`
  const [node, ...args] = load
  const program = [node, '--import', `data:text/javascript,${encodeURIComponent(enable)}`, ...args]
  const asReal = [`--ruid=${user.uid}`, `--rgid=${user.gid}`, '--clear-groups', '--']
  await runCompile(machine, [setpriv(machine), ...asReal, ...program], env)
  // Node makes the files readable for their owner only.
  const chmod = [machine.program('chmod') ?? '/bin/chmod', '-R', 'a+rX', '--', cache] as const
  await machine.run(chmod, { touches: 'ours', accept: [0, 1] })
}

/** Returns the command that runs a program as root that can only change its user. It can gain no other capability. */
export function asRootAtFirst(machine: Pick<Host, 'program'>, command: Command): Command {
  const bounding = '--bounding-set=-all,+setuid,+setgid,+dac_read_search'
  return [setpriv(machine), '--no-new-privs', '--inh-caps=-all', bounding, '--', ...command]
}

/** The exit code of `puppy compile` when the code is not in the cache yet. */
export const notCompiled = 3

/** Runs `puppy compile`, and returns its exit code. Any failure means that the code cannot be read or compiled. */
async function runCompile(machine: Host, command: Command, env: Readonly<Record<string, string>>): Promise<number> {
  const options = { touches: 'nothing', env, timeout: 150_000, accept: [0, 1, notCompiled, 127] } as const
  try {
    return (await machine.run(command, options)).exitCode
  } catch (error) {
    if (!(error instanceof HostError)) throw error
    return 1
  }
}

function setpriv(machine: Pick<Host, 'program'>): string {
  return machine.program('setpriv') ?? '/usr/bin/setpriv'
}
