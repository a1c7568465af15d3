import { environmentFolder, keysFolder } from '../login/read.ts'
import type { SlotLayout } from '../slots.ts'

/**
 * Renders the sshd_config(5) drop-in for the members of the shared group. Pure.
 *
 * Keys are read from this package's folder only, so that a tenant's own `authorized_keys` grants no access after a suspension. Passwords
 * are not accepted. Other users are not affected: the block ends with `Match all`.
 */
export function renderSshd({ group }: Pick<SlotLayout, 'group'>): string {
  return `# Puppy: how tenants log in. Removed with Puppy; changes here are overwritten.
Match Group ${group}
    AuthorizedKeysFile ${keysFolder}/%u
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    HostbasedAuthentication no
    PermitTunnel no
Match all
`
}

/**
 * Renders the part of `/etc/profile` that gives login shells their variables. Pure.
 *
 * The script evaluates nothing: it exports each line as it stands. It is silent when the file does not exist, and safe under `set -eu`.
 */
export function renderProfile(): string {
  return `# Puppy: the variables of a tenant, for login shells.
PUPPY_ENV_FILE="${environmentFolder}/\${USER:-}"
case "\${USER:-}" in
'' | *[!a-z0-9_-]*) PUPPY_ENV_FILE=/dev/null ;;
esac
if [ -f "$PUPPY_ENV_FILE" ] && [ -r "$PUPPY_ENV_FILE" ]; then
  while IFS= read -r PUPPY_ENV_LINE; do
    case "\${PUPPY_ENV_LINE%%=*}" in
    '' | [0-9]* | *[!A-Za-z0-9_]* | "$PUPPY_ENV_LINE") ;;
    *) export "$PUPPY_ENV_LINE" ;;
    esac
  done <"$PUPPY_ENV_FILE"
fi
unset PUPPY_ENV_FILE PUPPY_ENV_LINE
`
}

/**
 * Renders the program that gives user services the same variables. Pure.
 *
 * The shell prints the lines itself: where SELinux confines users, a program that it starts is in another domain, and may not write to
 * what the manager has opened.
 *
 * @see systemd.environment-generator(7)
 */
export function renderGenerator(): string {
  return `#!/bin/sh
# Puppy: the variables of a tenant, for user services.
user=$(id -un) || exit 0
file="${environmentFolder}/$user"
[ -f "$file" ] && [ -r "$file" ] || exit 0
while IFS= read -r line; do
  printf '%s\\n' "$line"
done <"$file"
exit 0
`
}

/**
 * Returns whether a main sshd_config(5) reads the drop-ins: it has an `Include` of their folder before the first `Match`. Pure.
 */
export function includesDropIns(config: string): boolean {
  const words = config.split('\n').map((line) => line.trim().split(/[\s=]+/))
  const match = words.findIndex(([word = '']) => word.toLowerCase() === 'match')
  const global = match === -1 ? words : words.slice(0, match)
  return global.some(
    ([word = '', ...files]) =>
      word.toLowerCase() === 'include' &&
      files.some((file) => /^"?(\/etc\/ssh\/)?sshd_config\.d\/\*(\.conf)?"?$/.test(file)),
  )
}
