import { createFakeUnshare, type FakeHost, type FakeHostOptions, type FakeProgram } from '@puppy/host/fake'
import { fakeKernel } from './fake/kernel.ts'
import { fakeContexts } from './fake/contexts.ts'
import { fakeStore, storeFiles } from './fake/store.ts'

export interface FakeSelinuxOptions {
  /** Default `enforcing`. `off`: SELinux is off in the kernel, and a policy is still installed. */
  readonly mode?: 'enforcing' | 'permissive' | 'off'
  /** Booleans of the policy, with the default values of the policy. */
  readonly booleans?: Readonly<Record<string, boolean>>
  /** Returns the reason why the compiler refuses a module with this text. Returns undefined when the compiler accepts it. */
  readonly refuses?: (text: string) => string | undefined
}

/** SELinux in memory, for a fake host. */
export interface FakeSelinux {
  /** `createFakeHost({ ...fake.options, files: { ...fake.options.files, … } })` */
  readonly options: Required<Pick<FakeHostOptions, 'programs' | 'files' | 'answers'>>
  /** Returns the number of transactions. */
  commits(): number
  /** Runs setenforce(8), as an operator would. */
  enforce(host: FakeHost, on: boolean): Promise<void>
  /** Returns the context of a path. */
  contextOf(path: string): string
}

/**
 * Creates SELinux in memory: a store with its tools, a kernel that loads the policies they build, and contexts of files.
 *
 * The texts of modules are stored, not compiled. The kernel isolates users of `renderTenantPolicy` by level and allows every other user
 * all acts. Therefore this fake cannot prove the effect of a policy. It passes the same conformance suites as the real tools.
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
