import type { RunResult } from '@puppy/host'
import type { FakeHost, FakeHostOptions } from '@puppy/host/fake'
import { contextIn, type Context } from '../context.ts'
import { dominates } from '../level.ts'
import { selinuxfs } from '../state.ts'

export interface FakeKernel {
  readonly files: Readonly<Record<string, string>>
  readonly answers: NonNullable<FakeHostOptions['answers']>
  /**
   * Loads a policy: the texts of its modules, and its default values of booleans. Booleans that the kernel already has keep their values.
   */
  load(host: FakeHost, text: string, booleans: Readonly<Record<string, boolean>>): Promise<void>
  /** Runs setsebool(8) with `NAME=0 NAME=1 …`. */
  set(host: FakeHost, words: readonly string[]): Promise<Partial<RunResult>>
  enforce(host: FakeHost, on: boolean): Promise<void>
}

/** Classes and acts, numbered in this order, as in a policy. */
const classes = {
  file: ['read', 'write', 'getattr'],
  dir: ['search'],
  process: ['signal', 'ptrace', 'execmem'],
  unix_stream_socket: ['connectto'],
  shm: ['read'],
  tcp_socket: ['name_bind', 'name_connect'],
  udp_socket: ['name_bind'],
} as const

const every = 'ffffffff'

/** Creates the files and the answers of a kernel. There are none when SELinux is off. */
export function fakeKernel(
  mode: 'enforcing' | 'permissive' | 'off',
  booleans: Readonly<Record<string, boolean>>,
): FakeKernel {
  const on = mode !== 'off'
  let now = { ...booleans }
  let policy = ''
  const show = async (host: FakeHost, name: string) => {
    await host.makeFolder(`${selinuxfs}/booleans`)
    const value = now[name] === true ? 1 : 0
    await host.replace(`${selinuxfs}/booleans/${name}`, `${value} ${value}`)
  }
  const knows = ({ user }: Context) => !user.startsWith('puppy_') || policy.includes(`(user ${user})`)
  return {
    files: on ? filesOf(mode, now) : {},
    answers: on
      ? {
          [`${selinuxfs}/context`]: (asked) => contextOf(asked, knows)?.text,
          [`${selinuxfs}/access`]: (asked) => {
            const [source = '', target = '', index] = asked.replace(/\0$/, '').split(' ')
            const [one, other] = [contextOf(source, knows), contextOf(target, knows)]
            if (one === undefined || other === undefined || !/^\d+$/.test(index ?? '')) return undefined
            return `${isAllowed(one.context, other.context, policy) ? every : '0'} ${every} 0 ${every} 1 0`
          },
        }
      : {},
    load: async (host, text, values) => {
      if (!on) return
      policy = text
      now = { ...values, ...Object.fromEntries(Object.entries(now).filter(([name]) => name in values)) }
      for (const name of await host.list(`${selinuxfs}/booleans`))
        if (!(name in now)) await host.remove(`${selinuxfs}/booleans/${name}`)
      for (const name of Object.keys(now)) await show(host, name)
    },
    set: async (host, words) => {
      for (const word of words) {
        const [, name = '', value] = /^(\w+)=([01])$/.exec(word) ?? []
        if (!(name in now)) return { exitCode: 1, stderr: `Could not change boolean ${name}\n` }
        now[name] = value === '1'
        await show(host, name)
      }
      return {}
    },
    enforce: async (host, enforcing) => void (await host.replace(`${selinuxfs}/enforce`, enforcing ? '1' : '0')),
  }
}

function filesOf(mode: string, booleans: Readonly<Record<string, boolean>>): Readonly<Record<string, string>> {
  const numbered = Object.entries(classes).flatMap(([name, acts], at) => [
    [`class/${name}/index`, `${at + 1}`],
    ...acts.map((act, bit) => [`class/${name}/perms/${act}`, `${bit + 1}`]),
  ])
  const switches = Object.entries(booleans).map(([name, value]) => [`booleans/${name}`, value ? '1 1' : '0 0'])
  const files = [
    ['enforce', mode === 'enforcing' ? '1' : '0'],
    ['mls', '1'],
    ['policyvers', '33'],
    ...numbered,
    ...switches,
  ]
  return Object.fromEntries(files.map(([name, text]) => [`${selinuxfs}/${name}`, text ?? '']))
}

function contextOf(asked: string, knows: (context: Context) => boolean) {
  const text = asked.replace(/\0$/, '')
  const context = contextIn(text)
  return context !== undefined && knows(context) ? { text, context } : undefined
}

/**
 * Returns whether an act is allowed. A tenant may access objects of tenants, and ports whose type is in the policy, only where its level
 * dominates.
 */
function isAllowed(source: Context, target: Context, policy: string): boolean {
  const isTenant = policy.includes(`(user ${source.user})`)
  const concerns = target.user === source.user || policy.includes(`(type ${target.type})`)
  if (!isTenant || !concerns || source.range === undefined || target.range === undefined) return true
  return dominates(source.range.high, target.range.high)
}
