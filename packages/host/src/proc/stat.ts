import { isAlive } from './status.ts'

/** A process as described in `/proc/PID/stat`. @see proc_pid_stat(5) */
export interface ProcessStat {
  readonly pid: number
  /** The short name. The process can choose it freely, with any characters. */
  readonly name: string
  /** A letter, as in `ProcessStatus`. */
  readonly state: string
  /** The pid of the parent; 0 when it is outside of our pid namespace. */
  readonly parent: number
  readonly threads: number
  /** The start time in clock ticks since boot (field 22). Together with the pid it identifies a process. */
  readonly started: number
  /** The start address of the stack (field 28), which the kernel randomizes at every execve(2). 0 without permission to see it. */
  readonly stackStart: bigint
  /** Whether the process can still act, as in `ProcessStatus`. */
  readonly alive: boolean
}

/** The number of fields after the state. There are 52 fields since Linux 3.5. */
const numbersAfterState = 49

/**
 * Parses `/proc/PID/stat`. Returns undefined for text that is incomplete or of another form. Pure.
 *
 * ```text
 * 4242 (sleep) S 1 4242 4242 0 -1 …
 * ```
 *
 * The name in parentheses is not escaped and may contain `) R 1` and line feeds. No later field contains a parenthesis, so the last one
 * ends the name.
 */
export function parseStat(text: string): ProcessStat | undefined {
  const [begin, end] = [text.indexOf(' ('), text.lastIndexOf(') ')]
  const pid = text.slice(0, Math.max(begin, 0))
  const [, state = '', rest = ''] = /^([A-Za-z]) ((?:-?\d{1,20} )*-?\d{1,20})\n$/.exec(text.slice(end + 2)) ?? []
  const numbers = rest.split(' ')
  if (begin < 0 || end < begin || state === '' || numbers.length < numbersAfterState) return undefined
  // The first number is field 4.
  const field = (number: number) => numbers[number - 4] ?? ''
  const [parent, threads, started] = [Number(field(4)), Number(field(20)), Number(field(22))]
  if (!/^\d{1,10}$/.test(pid) || !/^\d+$/.test(field(28))) return undefined
  if (![Number(pid), parent, threads, started].every((one) => Number.isSafeInteger(one) && one >= 0)) return undefined
  return {
    pid: Number(pid),
    name: text.slice(begin + 2, end),
    state,
    parent,
    threads,
    started,
    stackStart: BigInt(field(28)),
    alive: isAlive(state, threads),
  }
}
