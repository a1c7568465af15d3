import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { partCommand } from '../node-command.ts'
import type { Answer, Report } from './stages.ts'

/** A part of `puppy up` that runs as a process of its own and ends soon. */
export interface Part {
  /** Settles when it has ended; rejects with a `PartFailed` when it failed, and with what `act` threw. */
  readonly ended: Promise<void>
  /** Asks it to end at its next stage. */
  tell(): void
  /** Asks it to end, and ends it when it does not within 30 s. */
  end(): Promise<void>
}

/** A part failed, and has said why. */
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

/** Runs `puppy NAME`. It writes where this process writes; `act` answers what it reports. */
export function runPart(name: string, act: (report: Report) => Promise<Answer> = async () => 'go on'): Part {
  const [program, ...args] = partCommand(name)
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const answer = (text: Answer) => {
    // One that has ended, or is about to, cannot be told.
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
