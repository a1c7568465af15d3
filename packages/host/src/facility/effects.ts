import type { Host } from '../host.ts'

/** One operation that changed the machine, or tried to. */
interface Effect {
  /** `replace /etc/puppy/keys/p10000`, `run setquota` */
  readonly what: string
  /** Whether something was written. False for a file that was already right. */
  readonly wrote: boolean
}

/**
 * The effect that fails. Effects are numbered from 1. `failure`: only that effect fails. `crash`: that effect and all later ones fail, as
 * if the process was killed.
 */
export interface Fault {
  readonly at: number
  readonly kind: 'failure' | 'crash'
}

/** Counts the effects of a facility, and makes one of them fail. For the conformance suite and for tests of callers. */
export interface Effects {
  /** The effects so far, without the failed ones. */
  readonly done: readonly Effect[]
  /** The effect that failed, once it has failed. */
  readonly failed: string | undefined
  /** The error of the failed effect. It is the cause of every error that the facility derives from it. */
  readonly error: Error
  /** Runs and counts one effect, or throws `error` instead. */
  perform<Value>(what: string, effect: () => Promise<Value>, wrote?: (value: Value) => boolean): Promise<Value>
  /** Runs and counts one synchronous effect, or throws `error` instead. */
  performSync<Value>(what: string, effect: () => Value): Value
}

/** Creates a counter of effects. Without a fault it only counts. */
export function createEffects(fault?: Fault): Effects {
  const done: Effect[] = []
  let count = 0
  let failed: string | undefined
  const error = new Error('injected by the conformance suite')
  const pass = (what: string) => {
    count += 1
    if (fault === undefined || count < fault.at || (count > fault.at && fault.kind === 'failure')) return
    failed ??= what
    throw error
  }
  return {
    done,
    error,
    get failed() {
      return failed
    },
    perform: async (what, effect, wrote = () => true) => {
      pass(what)
      const value = await effect()
      done.push({ what, wrote: wrote(value) })
      return value
    },
    performSync: (what, effect) => {
      pass(what)
      const value = effect()
      done.push({ what, wrote: true })
      return value
    },
  }
}

/**
 * Wraps a host so that every operation which changes it passes through `effects`: programs that touch something, signals, files and
 * folders. Reads, locks and programs that touch nothing are not counted.
 *
 * `fail` converts an injected fault to an error of the host, with `effects.error` as its cause.
 */
export function countedHost(host: Host, effects: Effects, fail: (what: string, cause: Error) => Error): Host {
  const perform: Effects['perform'] = async (what, effect, wrote) => {
    try {
      return await effects.perform(what, effect, wrote)
    } catch (error) {
      throw error === effects.error ? fail(what, effects.error) : error
    }
  }
  const changed = ({ changed: did }: { readonly changed: boolean }) => did
  return Object.freeze<Host>({
    ...host,
    run: (command, options) =>
      options.touches === 'nothing'
        ? host.run(command, options)
        : perform(`run ${command.join(' ')}`, () => host.run(command, options)),
    signal: (process, signal) =>
      perform(`send ${signal} to the process ${process.pid}`, () => host.signal(process, signal), Boolean),
    unmount: (mount, options) => perform(`unmount ${mount.mountPoint}`, () => host.unmount(mount, options), Boolean),
    start: (command, options) => perform(`start ${command.join(' ')}`, () => host.start(command, options)),
    replace: (path, text, options) => perform(`replace ${path}`, () => host.replace(path, text, options), changed),
    replaceMany: (files) =>
      files.length === 0
        ? host.replaceMany(files)
        : perform(
            `replace ${files.map(({ path }) => path).join(' ')}`,
            () => host.replaceMany(files),
            (replaced) => replaced.some(changed),
          ),
    makeFolder: (path, options) => perform(`make the folder ${path}`, () => host.makeFolder(path, options), changed),
    remove: (path) => perform(`remove ${path}`, () => host.remove(path), changed),
  })
}
