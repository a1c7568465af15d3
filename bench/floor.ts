/** Renders the input of systemd-sysusers for this many users, as in sysusers.d(5), without code of this project. */
export function renderSysusers(count: number): string {
  const lines = Array.from(
    { length: count },
    (_, n) => `g f${n} ${30_000 + n}\nu f${n} ${30_000 + n}:${30_000 + n} "-" /home/f${n} /bin/bash\n`,
  )
  return lines.join('')
}

/** Renders the input of systemd-tmpfiles for the homes of this many users, as in tmpfiles.d(5). */
export function renderTmpfiles(count: number): string {
  return Array.from({ length: count }, (_, n) => `d /home/f${n} 0700 ${30_000 + n} ${30_000 + n}\n`).join('')
}
