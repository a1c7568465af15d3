import type { Host } from '@puppy/host'
import { AccountError } from './errors.ts'
import { findProgram, runsSystemd, type Program } from './program.ts'

/** Whether one thing works on this machine. */
export interface Ability {
  readonly name: 'pool' | 'keys' | 'logins' | 'linger' | 'eviction'
  readonly works: boolean
  /** For what does not: why, and what would enable it. */
  readonly why?: string
}

const needs: readonly (readonly [Ability['name'], readonly Program[]])[] = [
  ['pool', ['systemd-sysusers', 'systemd-tmpfiles', 'getent', 'userdel', 'groupdel']],
  ['keys', ['ssh-keygen']],
  ['logins', ['sshd', 'usermod']],
  ['eviction', ['setpriv', 'kill', 'find', 'rm', 'ipcrm']],
]

/** Says what of this package works on this machine, by looking for the programs it needs. Changes nothing. */
export async function probe(host: Host): Promise<readonly Ability[]> {
  const abilities = needs.map(([name, programs]) =>
    abilityOf(
      name,
      programs.map((program) => whyMissing(host, program)),
    ),
  )
  const why = 'systemd does not run here; linger needs it as the first process'
  return [
    ...abilities,
    (await runsSystemd(host)) ? { name: 'linger', works: true } : { name: 'linger', works: false, why },
  ]
}

function abilityOf(name: Ability['name'], whys: readonly (string | undefined)[]): Ability {
  const missing = whys.filter((why) => why !== undefined)
  return missing.length === 0 ? { name, works: true } : { name, works: false, why: missing.join('; ') }
}

function whyMissing(host: Host, program: Program): string | undefined {
  try {
    findProgram(host, program)
    return undefined
  } catch (error) {
    if (error instanceof AccountError) return error.message
    throw error
  }
}
