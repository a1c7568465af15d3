/** The input of the bare tools for this many users; plain text of their manual pages, none of our code. */
export function renderSysusers(count: number): string {
  const lines = Array.from(
    { length: count },
    (_, n) => `g f${n} ${30_000 + n}\nu f${n} ${30_000 + n}:${30_000 + n} "-" /home/f${n} /bin/bash\n`,
  )
  return lines.join('')
}

export function renderTmpfiles(count: number): string {
  return Array.from({ length: count }, (_, n) => `d /home/f${n} 0700 ${30_000 + n} ${30_000 + n}\n`).join('')
}
