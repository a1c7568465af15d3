import { renderCommand } from '../args.ts'
import type { Command, RunOptions, RunResult, StartedProgram } from '../command.ts'
import { HostError } from '../errors.ts'
import { parseMountinfo } from '../proc/mountinfo.ts'
import { readStat } from '../proc/process.ts'
import { assertSignalable } from '../process-identity.ts'
import type { FakeHost, FakeHostOptions, FakeProgram } from './fake-host.ts'
import { appendTo, fakeFiles, folder, located, plant, plantLink, refuse, type Entry } from './files.ts'
import { fakeLocks } from './locks.ts'

/**
 * Creates a host in memory. Use it to test the logic of a caller. It proves nothing about a machine: for everything else use the real host
 * below a folder.
 */
export function createFakeHost(options: FakeHostOptions = {}): FakeHost {
  const entries = new Map<string, Entry>([['/', folder()]])
  const commands: Command[] = []
  const signals: FakeHost['signals'][number][] = []
  const unmounted: string[] = []
  const programs = options.programs ?? {}
  const live = options.live ?? true
  for (const [path, text] of Object.entries(options.files ?? {})) plant(entries, path, text)
  for (const [path, target] of Object.entries(options.links ?? {})) plantLink(entries, path, target)
  const host: FakeHost = {
    root: '/',
    live,
    commands,
    signals,
    unmounted,
    ...fakeFiles(entries),
    ask: async (path, question) => answerOf(options.answers ?? {}, path, question),
    append: (path, text) => appendTo(entries, path, text),
    endProcess: (pid) => {
      for (const path of entries.keys()) {
        if (path === `/proc/${pid}` || path.startsWith(`/proc/${pid}/`)) entries.delete(path)
      }
    },
    signal: async ({ pid, started }, signal) => {
      assertSignalable(pid)
      if (!live) throw new HostError('HOST_NOT_LIVE', { operation: `send ${signal} to the process ${pid}` })
      const found = await readStat(host, pid)
      if (found?.alive !== true || found.started !== started) return false
      signals.push({ pid, signal })
      if (options.onSignal !== undefined) options.onSignal({ pid, signal, host })
      else if (signal === 'SIGKILL' || signal === 'SIGTERM') host.endProcess(pid)
      return true
    },
    unmount: async (mount) => {
      if (!live) throw new HostError('HOST_NOT_LIVE', { operation: `unmount ${mount.mountPoint}` })
      const path = '/proc/self/mountinfo'
      const lines = ((await host.read(path)) ?? '').split('\n').slice(0, -1)
      const mounts = parseMountinfo(lines.map((line) => `${line}\n`).join(''))
      const last = mounts.findLast(({ mountPoint }) => mountPoint === mount.mountPoint)
      if (last === undefined || last.id !== mount.id) return false
      unmounted.push(mount.mountPoint)
      const gone = new Set([mount.id])
      for (const { id, parent } of mounts) if (gone.has(parent)) gone.add(id)
      const left = lines.filter((line) => !gone.has(Number(line.split(' ', 1)[0])))
      await host.replace(path, left.map((line) => `${line}\n`).join(''))
      return true
    },
    lock: fakeLocks(entries),
    program: (name) => Object.keys(programs).find((path) => path.endsWith(`/${name}`)),
    run: async (command, run) => {
      commands.push(command)
      return runFake(command, run, { live, programs, host })
    },
    start: async (command): Promise<StartedProgram> => {
      commands.push(command)
      lookUp(command, programs)
      return { pid: commands.length, exited: new Promise(() => {}), forget: () => {} }
    },
  }
  return Object.freeze(host)
}

function answerOf(answers: NonNullable<FakeHostOptions['answers']>, path: string, question: string) {
  const answer = answers[located(path)]
  return answer === undefined ? undefined : (answer(question) ?? refuse('read', path, 'EINVAL'))
}

function lookUp(command: Command, programs: Readonly<Record<string, FakeProgram>>): FakeProgram {
  if (!command[0].startsWith('/')) {
    throw new TypeError(`The path of a program must be absolute, not ${JSON.stringify(command[0])}`)
  }
  const program = programs[command[0]]
  if (program !== undefined) return program
  throw new HostError('HOST_PROGRAM_NOT_FOUND', { operation: `run ${command[0]}`, command: renderCommand(command) })
}

interface FakeRun {
  readonly live: boolean
  readonly programs: Readonly<Record<string, FakeProgram>>
  readonly host: FakeHost
}

async function runFake(command: Command, options: RunOptions, { live, programs, host }: FakeRun): Promise<RunResult> {
  const facts = { operation: `run ${command[0]}`, command: renderCommand(command, options.secrets) }
  const program = lookUp(command, programs)
  if (options.touches === 'machine' && !live) throw new HostError('HOST_NOT_LIVE', facts)
  if (options.signal?.aborted === true) throw new HostError('HOST_ABORTED', facts)
  const answer = await program({ args: command.slice(1), input: options.input ?? '', host })
  const result = { exitCode: 0, stdout: '', stderr: '', ...answer }
  if ((options.accept ?? [0]).includes(result.exitCode)) return result
  throw new HostError('HOST_PROGRAM_FAILED', { ...facts, exitCode: result.exitCode, stderr: result.stderr })
}
