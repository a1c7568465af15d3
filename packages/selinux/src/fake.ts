import type { FakeHost, FakeHostOptions, FakeProgram } from '@puppy/host/fake'
import { fakeKernel } from './fake/kernel.ts'
import { fakeLabels } from './fake/labels.ts'
import { fakeStore, storeFiles } from './fake/store.ts'

export interface FakeSelinuxOptions {
  /** Default enforcing. Off means that the kernel has none: there is a policy on the disk all the same. */
  readonly mode?: 'enforcing' | 'permissive' | 'off'
  /** Booleans of the policy, with the values that it gives them. */
  readonly booleans?: Readonly<Record<string, boolean>>
  /** Says why the compiler does not take a module, by its text; undefined where it does. */
  readonly refuses?: (text: string) => string | undefined
}

/** SELinux in memory, for a fake host. */
export interface FakeSelinux {
  /** `createFakeHost({ ...fake.options, files: { ...fake.options.files, … } })` */
  readonly options: Required<Pick<FakeHostOptions, 'programs' | 'files' | 'answers'>>
  /** Commits of the store so far. */
  commits(): number
  /** setenforce(8), as another person would. */
  enforce(host: FakeHost, on: boolean): Promise<void>
  /** What a path is labelled. */
  labelOf(path: string): string
}

/**
 * Creates SELinux in memory: a store with its tools, a kernel that loads what they build, and labels of files. Modules are texts that are
 * kept, not compiled; the kernel tells users of `renderTenantPolicy` apart by their levels and allows everybody else everything. So it
 * proves nothing about a policy. It passes the same conformance suite as the real tools.
 */
export function createFakeSelinux(options: FakeSelinuxOptions = {}): FakeSelinux {
  const { mode = 'enforcing', booleans = {}, refuses } = options
  const kernel = fakeKernel(mode, booleans)
  const labels = fakeLabels()
  const { commits, programs: tools } = fakeStore({ kernel, booleans, refuses })
  const programs: Readonly<Record<string, FakeProgram>> = {
    ...tools,
    ...labels.programs,
    '/usr/sbin/setsebool': ({ args, host }) => kernel.set(host, args),
    '/usr/bin/unshare': ({ args, host }) => inside(programs, host, args),
    '/usr/bin/mount': () => ({}),
  }
  return Object.freeze<FakeSelinux>({
    options: { programs, answers: kernel.answers, files: { ...storeFiles, ...kernel.files } },
    commits,
    enforce: (host, on) => kernel.enforce(host, on),
    labelOf: labels.labelOf,
  })
}

/** `unshare … find / -exec mount … ; -exec TOOL … ;`: the tool is run, in nothing of its own. */
async function inside(programs: Readonly<Record<string, FakeProgram>>, host: FakeHost, args: readonly string[]) {
  const [start, end] = [args.lastIndexOf('-exec') + 1, args.lastIndexOf(';')]
  const [program = '', ...words] = args.slice(start, end)
  const answer = (await programs[program]?.({ args: words, input: '', host })) ?? { exitCode: 127 }
  const well = (answer.exitCode ?? 0) === 0
  return { ...answer, exitCode: 0, stdout: `${answer.stdout ?? ''}${well ? 'ended well\n' : ''}` }
}
