import { createFakeUnshare, type FakeHost, type FakeHostOptions, type FakeProgram } from '@puppy/host/fake'
import { fakeKernel } from './fake/kernel.ts'
import { fakeContexts } from './fake/contexts.ts'
import { fakeStore, storeFiles } from './fake/store.ts'

export interface FakeSelinuxOptions {
  /** Default `enforcing`. `off`: the kernel has no SELinux, and there is a policy on the disk all the same. */
  readonly mode?: 'enforcing' | 'permissive' | 'off'
  /** Booleans of the policy, with the policy's own values. */
  readonly booleans?: Readonly<Record<string, boolean>>
  /** Returns why the compiler does not take a module, by its text; undefined when it does. */
  readonly refuses?: (text: string) => string | undefined
}

/** SELinux in memory, for a fake host. */
export interface FakeSelinux {
  /** `createFakeHost({ ...fake.options, files: { ...fake.options.files, … } })` */
  readonly options: Required<Pick<FakeHostOptions, 'programs' | 'files' | 'answers'>>
  /** Returns how many transactions there were. */
  commits(): number
  /** Runs setenforce(8), as an operator would. */
  enforce(host: FakeHost, on: boolean): Promise<void>
  /** Returns the context of a path. */
  contextOf(path: string): string
}

/**
 * Creates SELinux in memory: a store with its tools, a kernel that loads what they build, and contexts of files. Modules are texts that are
 * kept, not compiled. The kernel tells users of `renderTenantPolicy` apart by their levels and allows every other user everything. So it
 * proves nothing about a policy. It passes the same conformance suites as the real tools.
 */
export function createFakeSelinux(options: FakeSelinuxOptions = {}): FakeSelinux {
  const { mode = 'enforcing', booleans = {}, refuses } = options
  const kernel = fakeKernel(mode, booleans)
  const contexts = fakeContexts()
  const { commits, programs: tools } = fakeStore({ kernel, booleans, refuses })
  const programs: Readonly<Record<string, FakeProgram>> = {
    ...tools,
    ...contexts.programs,
    '/usr/sbin/setsebool': ({ args, host }) => kernel.set(host, args),
    '/usr/bin/unshare': createFakeUnshare(() => programs),
    '/usr/bin/mount': () => ({}),
    '/usr/bin/timeout': () => ({}),
  }
  return Object.freeze<FakeSelinux>({
    options: { programs, answers: kernel.answers, files: { ...storeFiles, ...kernel.files } },
    commits,
    enforce: (host, on) => kernel.enforce(host, on),
    contextOf: contexts.contextOf,
  })
}
