/**
 * Parses `/proc/PID/cmdline`: the arguments of a command, each terminated by a NUL. Pure.
 *
 * A process can overwrite its arguments, and then the last NUL may be missing. A kernel thread, a zombie and a process inside execve(2)
 * have no arguments.
 *
 * @see proc_pid_cmdline(5)
 */
export function parseCmdline(text: string): readonly string[] {
  if (text === '') return []
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0')
}
