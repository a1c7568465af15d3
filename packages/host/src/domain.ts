import type { Command } from './command.ts'
import type { Host } from './host.ts'

/** What runcon(1) ends with when it may not run a program so. */
const notRun = 126
const anyCode = Array.from({ length: 256 }, (_, code) => code)

/**
 * Gives a command that runs in the domain of SELinux that we have, where there is one; otherwise the command as it is.
 *
 * A policy gives tools like semanage(8) and semodule(8) domains of their own, in which they may not write to what Node has for
 * pipes (sockets): what they say is lost without a word, and they end with 0.
 *
 * @throws HostError
 * @see runcon(1)
 */
export async function inOurDomain(host: Host, command: Command): Promise<Command> {
  const [runcon, id] = [host.program('runcon'), host.program('id')]
  if (runcon === undefined || id === undefined) return command
  // Not our own: what systemd started is in another domain as soon as it runs something. It fails where the kernel has no SELinux; that is
  // the machine's, also when the host is only a folder.
  const { stdout, exitCode } = await host.run([id, '-Z'], { touches: 'nothing', accept: [0, 1] })
  const domain = stdout.trim()
  if (exitCode !== 0 || domain === '') return command
  const may = await host.run([runcon, domain, command[0], '--help'], { touches: 'nothing', accept: anyCode })
  return may.exitCode === notRun ? command : [runcon, domain, ...command]
}
