export interface Interval {
  readonly who: 'holder' | 'child'
  readonly pid: number
  readonly from: bigint
  readonly to: bigint
}

/** Parses lines of the form `enter|exit|child-enter|child-exit|kill PID NANOSECONDS`. All processes use the same clock. */
export function parseIntervals(log: string, kills: readonly string[]): readonly Interval[] {
  const killed = new Map(kills.map((line) => line.split(' ')).map(([, pid, at]) => [Number(pid), BigInt(at ?? 0)]))
  const open = new Map<string, bigint>()
  const intervals: Interval[] = []
  for (const line of log.split('\n').filter((text) => /^\S+ \d+ \d+$/.test(text))) {
    const [event = '', pid = '', at = ''] = line.split(' ')
    const who = event.startsWith('child') ? 'child' : 'holder'
    const key = `${who} ${pid}`
    if (event.endsWith('enter')) open.set(key, BigInt(at))
    const from = open.get(key)
    if (!event.endsWith('exit') || from === undefined) continue
    intervals.push({ who, pid: Number(pid), from, to: BigInt(at) })
    open.delete(key)
  }
  for (const [key, from] of open) {
    const [who, pid] = key.split(' ')
    const to = killed.get(Number(pid))
    if (who === 'holder' && to !== undefined && to > from) intervals.push({ who: 'holder', pid: Number(pid), from, to })
  }
  return intervals
}

/** Returns pairs that held the lock at the same time, except a holder and the child that it started. */
export function overlaps(intervals: readonly Interval[]): readonly string[] {
  const sorted = intervals.toSorted((one, other) => (one.from < other.from ? -1 : 1))
  const found: string[] = []
  for (const [index, one] of sorted.entries()) {
    for (const other of sorted.slice(index + 1)) {
      if (other.from >= one.to) break
      if (one.who === other.who || other.who === 'holder')
        found.push(`${one.who} ${one.pid} and ${other.who} ${other.pid}`)
    }
  }
  return found
}
