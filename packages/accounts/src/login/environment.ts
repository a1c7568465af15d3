import { AccountError } from '../errors.ts'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>

const maxBytes = 16 * 1024
const nameForm = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
/** Characters without a special meaning in a shell, in `EnvironmentFile=` and in the output of an environment generator. */
const valueForm = /^[A-Za-z0-9_@%+=:,./-]*$/
/** Variables that a login sets itself, and variables that make a shell or the loader run other code. */
const refused = /^(HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PS4|PATH|LD_.*|PUPPY_ENV_.*)$/

/**
 * Renders `NAME=value` lines, sorted by name. systemd's `EnvironmentFile=`, the `.` command of a POSIX shell and
 * systemd.environment-generator(7) read the same values from them. Without variables the text is empty. Pure.
 *
 * Values consist of letters, digits and `_@%+=:,./-`, which need no quotes. Variables that change what a login runs (`PATH`, `HOME`,
 * `LD_PRELOAD`, `BASH_ENV`, …) are refused.
 *
 * @throws AccountError `ACCOUNT_ENVIRONMENT_INVALID`. The message never contains the value.
 */
export function renderEnvironment(environment: Environment): string {
  const names = Object.keys(environment).toSorted()
  for (const name of names) assertVariable(name, environment[name]!)
  const text = names.map((name) => `${name}=${environment[name]}\n`).join('')
  if (Buffer.byteLength(text) > maxBytes) throw invalid(undefined, 'all variables together must not exceed 16 KiB')
  return text
}

/** Parses the output of `renderEnvironment`. Ignores other lines. Pure. */
export function parseEnvironment(text: string): Environment {
  const lines = text.split('\n').map((line) => /^([A-Za-z_][A-Za-z0-9_]*)=([A-Za-z0-9_@%+=:,./-]*)$/.exec(line))
  return Object.fromEntries(lines.filter((line) => line !== null).map(([, name, value]) => [name!, value!]))
}

function assertVariable(name: string, value: string): void {
  if (!nameForm.test(name))
    throw invalid(name, 'a name must consist of letters, digits and _, and must not begin with a digit')
  if (refused.test(name))
    throw invalid(name, 'the login sets this variable itself, or it changes which programs run; use another name')
  if (!valueForm.test(value)) throw invalid(name, 'a value must consist of letters, digits and _@%+=:,./-')
}

function invalid(target: string | undefined, detail: string): AccountError {
  const facts = { operation: 'set the variable', detail, ...(target === undefined ? {} : { target }) }
  return new AccountError('ACCOUNT_ENVIRONMENT_INVALID', facts)
}
