/**
 * The lines of an audit log that tell of something SELinux refused, from a moment on.
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
