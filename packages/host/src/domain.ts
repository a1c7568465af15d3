import type { Command, RunOptions, RunResult } from './command.ts'
import type { Host } from './host.ts'

/** The exit code of runcon(1) when the program is not permitted in that domain. */
const notRun = 126
const anyCode = Array.from({ length: 256 }, (_, code) => code)

/**
 * Returns a command that runs in our own SELinux domain. Returns the command unchanged without SELinux, or when our domain may not run it.
 *
 * A policy has domains for tools such as semanage(8) and semodule(8). In those domains a tool may not write to sockets, and the pipes of
 * Node are sockets. Then its output is lost without an error message, and it ends with exit code 0.
 *
 * Starts the program once with `--help` to check whether our domain may run it. `runInOurDomain` needs no such start.
 *
 * @throws HostError as `Host.run`
 * @see runcon(1)
 */
export async function inOurDomain(host: Host, command: Command): Promise<Command> {
  const prefix = await domainPrefix(host)
  if (prefix === undefined) return command
  const may = await host.run([...prefix, command[0], '--help'], { touches: 'nothing', accept: anyCode })
  return may.exitCode === notRun ? command : [...prefix, ...command]
}

/**
 * Runs a command in our own SELinux domain, as described at `inOurDomain`, without an extra start. For tools that take seconds to start.
 * A command that itself ends with exit code 126 runs a second time, so use this for commands that only read.
 *
 * @throws HostError as `Host.run`
 */
export async function runInOurDomain(host: Host, command: Command, options: RunOptions): Promise<RunResult> {
  const prefix = await domainPrefix(host)
  if (prefix !== undefined) {
    const ended = await host.run([...prefix, ...command], { ...options, accept: [...(options.accept ?? [0]), notRun] })
    if (ended.exitCode !== notRun) return ended
  }
  return host.run(command, options)
}

async function domainPrefix(host: Host): Promise<readonly [string, string] | undefined> {
  const [runcon, id] = [host.program('runcon'), host.program('id')]
  if (runcon === undefined || id === undefined) return undefined
  // id(1) and not our own process: a process that systemd started changes its domain as soon as it runs a program. id(1) fails when the
  // kernel has no SELinux. SELinux is a property of the machine, so this also applies to a host that is only a folder.
  const { stdout, exitCode } = await host.run([id, '-Z'], { touches: 'nothing', accept: [0, 1] })
  const domain = stdout.trim()
  return exitCode !== 0 || domain === '' ? undefined : [runcon, domain]
}
