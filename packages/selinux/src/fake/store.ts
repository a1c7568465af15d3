import { createHash } from 'node:crypto'
import type { FakeHost, FakeProgram } from '@puppy/host/fake'
import { parseLocal } from '../store/booleans.ts'
import { modulesFolder, storePaths } from '../store/paths.ts'
import type { FakeKernel } from './kernel.ts'

const type = 'default'
const { store, active } = storePaths(type)
const modules = modulesFolder(active)

/** The files of a machine with the policy of the distribution. */
export const storeFiles: Readonly<Record<string, string>> = {
  '/etc/selinux/config': `SELINUX=enforcing\nSELINUXTYPE=${type}\n`,
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
  [`${active}/modules/100/base/cil`]: '',
  [`/etc/selinux/${type}/policy/policy.33`]: 'a policy',
  [`/etc/selinux/${type}/contexts/files/file_contexts`]: '/.*\tsystem_u:object_r:default_t:s0\n',
  [`/etc/selinux/${type}/seusers`]: '__default__:unconfined_u:s0-s0:c0.c1023\n',
}

export interface FakeStoreOptions {
  readonly kernel: FakeKernel
  /** The default values of booleans in the policy. */
  readonly booleans: Readonly<Record<string, boolean>>
  /** Returns the reason why the compiler refuses a module. Default: it refuses parentheses that do not match. */
  readonly refuses?: ((text: string) => string | undefined) | undefined
}

export interface FakeStore {
  readonly programs: Readonly<Record<string, FakeProgram>>
  commits(): number
}

/** Creates the store of a policy and the tools that change it. */
export function fakeStore({ kernel, booleans, refuses = unbalanced }: FakeStoreOptions): FakeStore {
  const state: State = { kernel, own: booleans, refuses, values: booleans, commits: 0 }
  return {
    commits: () => state.commits,
    programs: {
      '/usr/sbin/semodule': ({ args, host }) => semodule(state, host, args),
      '/usr/bin/python3': ({ args, host }) => library(state, host, args),
      '/usr/bin/du': () => ({ stdout: `1000\t${active}\n` }),
      '/usr/bin/df': () => ({ stdout: '  Avail\n1000000000\n' }),
    },
  }
}

interface State {
  readonly kernel: FakeKernel
  /** The default values of booleans in the policy. */
  readonly own: Readonly<Record<string, boolean>>
  readonly refuses: (text: string) => string | undefined
  /** The values of booleans since the last commit. */
  values: Readonly<Record<string, boolean>>
  commits: number
}

/** The request of one transaction, from either tool. */
interface Request {
  readonly reload: boolean
  readonly remove: readonly string[]
  /** Files with the texts of modules. */
  readonly install: readonly string[]
  readonly enable: readonly string[]
  readonly booleans: Readonly<Record<string, 0 | 1 | null>>
  readonly declared: readonly string[]
  readonly silent: boolean | null
}

const nothing: Request = {
  reload: true,
  remove: [],
  install: [],
  enable: [],
  booleans: {},
  declared: [],
  silent: null,
}

/** `semodule [-N] -s TYPE [-D] (-B | -X 400 [-r NAME | -i FILE | -e NAME | -d NAME] …)` */
async function semodule(state: State, host: FakeHost, args: readonly string[]) {
  const after = (flag: string) => args.flatMap((word, at) => (args[at - 1] === flag ? [word] : []))
  for (const name of after('-d')) await host.replace(`${await folderOf(host, 'disabled')}/${name}`, '')
  return transact(state, host, {
    ...nothing,
    reload: !args.includes('-N'),
    remove: after('-r'),
    install: after('-i'),
    enable: after('-e'),
    silent: args.includes('-D') ? false : args.includes('-B') ? true : null,
  })
}

async function library(state: State, host: FakeHost, args: readonly string[]) {
  // `python3 -I -c 'import …'` only checks whether the library exists.
  if (args.includes('-c')) return {}
  const request = JSON.parse((await host.read(args.at(-1) ?? '')) ?? '{}') as Omit<Request, 'reload'> & {
    readonly reload: number
  }
  const known = (name: string) => name in state.values || request.declared.includes(name)
  const unknown = Object.entries(request.booleans).find(([name, value]) => value !== null && !known(name))
  if (unknown !== undefined) return { exitCode: 1, stderr: `no boolean: ${unknown[0]}\n` }
  return transact(state, host, { ...nothing, ...request, reload: request.reload === 1 })
}

async function transact(state: State, host: FakeHost, request: Request): Promise<ReturnType<typeof refused>> {
  const texts = new Map<string, string>()
  for (const file of request.install) {
    const name = file.slice(file.lastIndexOf('/') + 1).replace(/\.cil$/, '')
    const text = (await host.read(file)) ?? ''
    const why = state.refuses(text)
    if (why !== undefined) return refused(`${why} at ${store}/tmp/modules/400/${name}/cil:1\n`)
    texts.set(name, text)
  }
  const there = await host.list(modules)
  const gone = request.remove.find((name) => !there.includes(name))
  if (gone !== undefined) return refused(`Unable to remove module ${gone} at priority 400.\n`)
  for (const name of request.remove) {
    await host.remove(`${modules}/${name}/cil`)
    await host.remove(`${modules}/${name}`)
  }
  for (const [name, text] of texts) {
    await host.makeFolder(`${modules}/${name}`)
    await host.replace(`${modules}/${name}/cil`, text)
  }
  for (const name of request.enable) await host.remove(`${modules}/../disabled/${name}`)
  return { exitCode: 0, stderr: '', stdout: await commit(state, host, request) }
}

/** @returns the lines about booleans that the library prints. */
async function commit(state: State, host: FakeHost, { booleans, silent, reload }: Request): Promise<string> {
  const local = new Map(Object.entries(parseLocal((await host.read(`${active}/booleans.local`)) ?? '')))
  for (const [name, value] of Object.entries(booleans)) {
    if (value === null) local.delete(name)
    else local.set(name, value === 1)
  }
  const lines = [...local].map(([name, value]) => `${name}=${value ? 1 : 0}\n`)
  await host.replace(`${active}/booleans.local`, lines.join(''))
  if (silent === false) await host.replace(`${active}/disable_dontaudit`, '')
  if (silent === true) await host.remove(`${active}/disable_dontaudit`)
  const built = await textsIn(host)
  const seusers = [...built.matchAll(/\(selinuxuser (\S+) /g)].map(([, login = '']) => `${login}\n`)
  await host.replace(`/etc/selinux/${type}/seusers`, `__default__\n${seusers.join('')}`)
  for (const file of ['policy/policy.33', 'contexts/files/file_contexts'])
    await host.replace(`/etc/selinux/${type}/${file}`, createHash('sha256').update(built).digest('hex'))
  state.commits += 1
  const declared = [...built.matchAll(/\(boolean (\w+) (true|false)\)/g)].map(
    ([, name = '', value]): [string, boolean] => [name, value === 'true'],
  )
  const own = { ...state.own, ...Object.fromEntries(declared) }
  const values = { ...own, ...Object.fromEntries([...local].filter(([name]) => name in own)) }
  state.values = values
  if (reload) await state.kernel.load(host, built, values)
  const said = Object.keys(booleans).filter((name) => name in own)
  return said.map((name) => `boolean ${name} ${values[name] === true ? 1 : 0}\n`).join('')
}

/** Returns the texts of all enabled modules. */
async function textsIn(host: FakeHost): Promise<string> {
  const off = await host.list(`${active}/modules/disabled`)
  const names = (await host.list(modules)).filter((name) => !off.includes(name))
  const texts = await Promise.all(names.map((name) => host.read(`${modules}/${name}/cil`)))
  return texts.join('')
}

async function folderOf(host: FakeHost, name: string): Promise<string> {
  const folder = `${active}/modules/${name}`
  await host.makeFolder(folder)
  return folder
}

function refused(stderr: string): { exitCode: number; stderr: string; stdout: string } {
  return { exitCode: 1, stderr, stdout: '' }
}

/** Checks that parentheses match, which is the only rule of CIL in this fake. */
function unbalanced(text: string): string | undefined {
  const count = (sign: string) => text.split(sign).length
  return count('(') === count(')') ? undefined : 'Invalid syntax'
}
