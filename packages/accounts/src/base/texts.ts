import { environmentFolder, keysFolder } from '../login/read.ts'
import type { SlotLayout } from '../slots.ts'

/**
 * Renders the sshd_config(5) drop-in for the members of the shared group. Pure.
 *
 * sshd reads keys only from the folder of this package, so `authorized_keys` of a tenant grants no access after a suspension. It accepts no
 * passwords. Other users are not affected: the block ends with `Match all`.
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
 * Renders the part of `/etc/profile` that sets the variables of login shells. Pure.
 *
 * The script evaluates nothing: it exports each line unchanged. It prints nothing when the file does not exist. It is safe under
 * `set -eu`.
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
 * Renders the program that sets the same variables for user services. Pure.
 *
 * The shell prints the lines itself. Where SELinux confines users, a program that the shell starts is in another domain and may not write
 * to the pipe of the user manager.
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

/** Returns whether a main sshd_config(5) includes the drop-in folder before the first `Match`. Pure. */
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
