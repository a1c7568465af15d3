/**
 * Parses `/proc/PID/cmdline`: the words of a command, each ended by a NUL. Pure.
 *
 * A process can overwrite its words; then the last may lack its NUL. A kernel thread, a zombie and a process in the middle of execve(2) have
 * none.
 *
 * @see proc_pid_cmdline(5)
 */
export function parseCmdline(text: string): readonly string[] {
  if (text === '') return []
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0')
}
