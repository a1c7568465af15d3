import { AccountError } from '../errors.ts'

/** Variables by name. */
export type Environment = Readonly<Record<string, string>>

const maxBytes = 16 * 1024
const nameForm = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
/** Characters that mean themselves in a shell, in `EnvironmentFile=` and in an environment generator's output. */
const valueForm = /^[A-Za-z0-9_@%+=:,./-]*$/
/** Variables that a login sets itself, and those that make a shell or the loader run something else. */
const refused = /^(HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|PATH|LD_.*|PUPPY_ENV_.*)$/

/**
 * Renders `NAME=value` lines, sorted by name, that systemd's `EnvironmentFile=`, a POSIX shell's `.` and
 * systemd.environment-generator(7) all read as the same values. Without variables the text is empty.
 *
 * Values are letters, digits and `_@%+=:,./-`, which need no quotes. Names that change what a login runs
 * (`PATH`, `HOME`, `LD_PRELOAD`, `BASH_ENV`, …) are refused.
 *
 * @throws AccountError `ACCOUNT_ENVIRONMENT_INVALID`; the value is not repeated in the message.
 */
export function renderEnvironment(environment: Environment): string {
  const names = Object.keys(environment).toSorted()
  for (const name of names) assertVariable(name, environment[name]!)
  const text = names.map((name) => `${name}=${environment[name]}\n`).join('')
  if (Buffer.byteLength(text) > maxBytes) throw invalid(undefined, 'all variables together have more than 16 KiB')
  return text
}

/** Parses what `renderEnvironment` wrote. Other lines are left out. */
export function parseEnvironment(text: string): Environment {
  const lines = text.split('\n').map((line) => /^([A-Za-z_][A-Za-z0-9_]*)=([A-Za-z0-9_@%+=:,./-]*)$/.exec(line))
  return Object.fromEntries(lines.filter((line) => line !== null).map(([, name, value]) => [name!, value!]))
}

function assertVariable(name: string, value: string): void {
  if (!nameForm.test(name)) throw invalid(name, 'a name is letters, digits and _, and begins with no digit')
  if (refused.test(name)) throw invalid(name, 'this variable belongs to the login itself')
  if (!valueForm.test(value)) throw invalid(name, 'a value is letters, digits and _@%+=:,./- only')
}

function invalid(target: string | undefined, detail: string): AccountError {
  const facts = { operation: 'set the variable', detail, ...(target === undefined ? {} : { target }) }
  return new AccountError('ACCOUNT_ENVIRONMENT_INVALID', facts)
}
