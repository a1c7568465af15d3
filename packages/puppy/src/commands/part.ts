import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { partCommand } from '../node-command.ts'
import type { Answer, Report } from './stages.ts'

/** A part of `puppy up` that runs as a separate process and ends soon. */
export interface Part {
  /** Resolves when it has ended. Rejects with a `PartFailed` when it failed, and with the error that `act` threw. */
  readonly ended: Promise<void>
  /** Asks it to end at its next stage. */
  tell(): void
  /** Asks it to end, and kills it if it does not end within 30 s. */
  end(): Promise<void>
}

/** A part failed. It has printed the reason. */
export class PartFailed extends Error {
  static {
    this.prototype.name = 'PartFailed'
  }

  readonly exitCode: number

  constructor(name: string, exitCode: number) {
    super(`puppy ${name} ended with ${exitCode}`)
    this.exitCode = exitCode
  }
}

/** Runs `puppy NAME` with the output of this process. Calls `act` for each report, and sends back its answer. */
export function runPart(name: string, act: (report: Report) => Promise<Answer> = async () => 'go on'): Part {
  const [program, ...args] = partCommand(name)
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const answer = (text: Answer) => {
    // A process that has ended, or is about to end, receives no message.
    if (child.connected) child.send(text, () => {})
  }
  child.on('message', (report: Report) => void act(report).then(answer, reject))
  child.once('error', reject)
  child.once('exit', (code) => (code === 0 ? resolve() : reject(new PartFailed(name, code ?? 1))))
  ended.catch(() => {})
  const gone = new Promise<void>((settle) => {
    child.once('exit', () => settle())
    child.once('error', () => settle())
  })
  return {
    ended,
    tell: () => answer('end'),
    end: async () => {
      answer('end')
      const patience = new AbortController()
      const late = sleep(30_000, true, { signal: patience.signal }).catch(() => false)
      if ((await Promise.race([gone.then(() => false), late])) && child.kill('SIGKILL')) await gone
      patience.abort()
    },
  }
}
