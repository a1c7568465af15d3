/**
 * Returns the lines of an audit log that report an SELinux denial or error, from a moment on. Pure.
 *
 * ```text
 * type=AVC msg=audit(1732190000.123:456): avc:  denied  { read } for  pid=1 comm="cat" …
 * ```
 *
 * @param since seconds since 1970
 * @see auditd(8), ausearch(8)
 */
export function denialsSince(log: string, since: number): readonly string[] {
  return log.split('\n').filter((line) => {
    const [, type, time] = /^type=(\S+) msg=audit\((\d+\.\d+):\d+\)/.exec(line) ?? []
    if (type === undefined || Number(time) < since) return false
    if (type === 'SELINUX_ERR' || type === 'USER_SELINUX_ERR') return true
    return (type === 'AVC' || type === 'USER_AVC') && line.includes('denied')
  })
}

/**
 * Counts equal denials. Returns one line for each: the count, the program, the permissions, its context, and the class and context of the
 * object. A line that is no AVC is not changed. Pure.
 */
export function summarizeDenials(lines: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const line of lines) {
    const what = describe(line)
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return [...counts].map(([what, count]) => `${count} x ${what}`)
}

function describe(line: string): string {
  const [, permissions] = /avc: {1,9}denied {1,9}\{ ([^{}]{1,400}) \}/.exec(line) ?? []
  const field = (name: string) => new RegExp(`\\b${name}=("[^"]*"|\\S+)`).exec(line)?.[1] ?? '?'
  if (permissions === undefined) return line
  return `${field('comm')} ${permissions}: ${field('scontext')} on ${field('tclass')} ${field('tcontext')}`
}
