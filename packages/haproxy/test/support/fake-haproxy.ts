import { createFakeHost, renderFakeProcess, type FakeHost } from '@puppy/host/fake'
import { configDescription } from '../../src/config/render.ts'
import { HaproxyError } from '../../src/errors.ts'
import type { Runtime } from '../../src/runtime/socket.ts'
import { createFakeRuntime } from './fake-runtime.ts'

/** A host in memory with a HAProxy that can be started, reloaded, queried and ended. */
export interface FakeHaproxy {
  readonly host: FakeHost
  readonly runtime: Runtime
}

interface FakeWorker {
  readonly pid: number
  readonly master: number
  readonly description: string
}

/** Creates a HAProxy in memory that accepts every configuration. `files` exist from the start. */
export function createFakeHaproxy(files: Readonly<Record<string, string>> = {}): FakeHaproxy {
  const maps = createFakeRuntime(['hosts.map', 'suspended.map'])
  let lastPid = 5000
  let worker: FakeWorker | undefined
  let words: readonly string[] = []

  const plant = async (host: FakeHost, pid: number, parent: number) => {
    const uid = process.geteuid?.() ?? 0
    await host.makeFolder(`/proc/${pid}`)
    const rendered = renderFakeProcess({ pid, parent, uid, name: 'haproxy', command: words })
    for (const [path, text] of Object.entries(rendered)) await host.replace(path, text)
  }
  const load = async (host: FakeHost, master: number) => {
    const text = (await host.read(words[words.indexOf('-f') + 1] ?? '')) ?? ''
    worker = { pid: (lastPid += 1), master, description: configDescription(text) ?? '' }
    await plant(host, worker.pid, master)
  }
  const end = (host: FakeHost, pid: number) => {
    host.endProcess(pid)
    if (worker === undefined || (worker.pid !== pid && worker.master !== pid)) return
    host.endProcess(worker.pid)
    host.endProcess(worker.master)
    worker = undefined
  }
  const start = async (host: FakeHost, args: readonly string[]) => {
    words = ['/usr/sbin/haproxy', ...args]
    const master = (lastPid += 1)
    await plant(host, master, 1)
    await load(host, master)
    await host.replace(args[args.indexOf('-p') + 1] ?? '', `${master}\n`)
  }
  const reload = async (host: FakeHost, master: number) => {
    if (worker !== undefined) host.endProcess(worker.pid)
    words = [...words, '-sf', String(worker?.pid)]
    host.endProcess(master)
    await plant(host, master, 1)
    await load(host, master)
  }
  const host = createFakeHost({
    files: { '/proc/1/x': '', ...files },
    programs: {
      '/usr/bin/install': async ({ args, host }) => {
        await host.makeFolder(args.at(-1) ?? '', { mode: 0o700 })
        return {}
      },
      '/usr/sbin/haproxy': async ({ args, host }) => {
        if (args.includes('-vv'))
          return { stdout: 'HAProxy version 3.0.11-1 2025/06/02\nFeature list : +LUA +OPENSSL\n' }
        if ((await host.read(args[args.indexOf('-f') + 1] ?? '')) === undefined) return { exitCode: 1 }
        if (!args.includes('-c')) await start(host, args)
        return {}
      },
    },
    onSignal: ({ pid, signal, host }) => {
      if (signal === 'SIGUSR2') void reload(host, pid)
      else end(host, pid)
    },
  })
  const assertRuns = () => {
    if (worker !== undefined) return worker
    throw new HaproxyError('HAPROXY_NOT_RUNNING', { operation: 'send' })
  }
  const runtime: Runtime = {
    send: async (command, options) => {
      const { pid, description } = assertRuns()
      if (command.join(' ') === 'show table tenants') return '# table: tenants'
      if (command.join(' ') !== 'show info') return maps.send(command, options)
      return `Name: HAProxy\nVersion: 3.0.11\nPid: ${pid}\nUptime_sec: 60\nCurrConns: 0\ndescription: ${description}`
    },
    sendMany: async (commands, options) => {
      assertRuns()
      return maps.sendMany(commands, options)
    },
  }
  return { host, runtime }
}
