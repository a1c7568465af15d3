import type { FakeHost, FakeProgram } from '@puppy/host/fake'

export interface FakeContexts {
  readonly programs: Readonly<Record<string, FakeProgram>>
  contextOf(path: string): string
}

const initial = 'system_u:object_r:user_home_t:s0'

/** Creates contexts of files, with find(1), chcon(1) and restorecon(8) for the calls of `readContexts` and `relabel`. */
export function fakeContexts(): FakeContexts {
  const contexts = new Map<string, string>()
  const contextOf = (path: string) => contexts.get(path) ?? initial
  const find: FakeProgram = async ({ args, input, host }) => {
    const after = (flag: string) => args[args.indexOf(flag) + 1] ?? ''
    if (args.includes('-files0-from')) {
      const paths = input.split('\0').filter((path) => path !== '')
      const there = await Promise.all(paths.map(async (path) => (await host.status(path)) !== undefined))
      const shown = paths.filter((_, at) => there[at]).map((path) => `${contextOf(path)}\0${path}\0`)
      return { stdout: shown.join(''), exitCode: there.every(Boolean) ? 0 : 1 }
    }
    // `find -P PATH … ! -context USER:*:LEVEL … -exec chcon --no-dereference --user USER --range LEVEL -- {} +`
    const [user = '', , ...level] = after('-context').split(':')
    const expected = (path: string) =>
      contextOf(path).replace(/^[^:]+:([^:]+:[^:]+):.*$/, `${user}:$1:${level.join(':')}`)
    const wrong = (await below(host, args[1] ?? '')).filter((path) => contextOf(path) !== expected(path))
    if (!args.includes('-exec') && !args.includes('-execdir'))
      return { stdout: wrong.length === 0 ? '' : `${wrong[0]}\0` }
    for (const path of wrong) contexts.set(path, expected(path))
    return {}
  }
  return {
    contextOf,
    programs: {
      '/usr/bin/find': find,
      '/usr/bin/chcon': () => ({}),
      '/usr/sbin/restorecon': () => ({}),
      // This fake ignores the rights.
      '/usr/bin/setpriv': ({ args, host, input }) => {
        const [program, ...words] = args.slice(args.indexOf('--') + 1)
        return program === '/usr/bin/find' ? find({ args: words, host, input }) : {}
      },
    },
  }
}

async function below(host: FakeHost, path: string): Promise<readonly string[]> {
  const names = (await host.status(path))?.kind === 'folder' ? await host.list(path) : []
  const inside = await Promise.all(names.map((name) => below(host, `${path}/${name}`)))
  return [path, ...inside.flat()]
}
