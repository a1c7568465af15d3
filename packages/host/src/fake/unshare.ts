import type { FakeProgram } from './fake-host.ts'

/**
 * Creates an unshare(1) for a fake host that runs the program of `runWithPasswd`, and hides nothing.
 *
 * @param programs returns the programs of the fake host, by path
 */
export function createFakeUnshare(programs: () => Readonly<Record<string, FakeProgram>>): FakeProgram {
  return async ({ args, input, host }) => {
    const starts = args.flatMap((word, index) => (word === '-exec' ? [index + 1] : []))
    const [, start = args.length] = starts
    const [, , , program = '', ...words] = args.slice(start, args.indexOf(';', start))
    const answer = (await programs()[program]?.({ args: words, input, host })) ?? { exitCode: 127 }
    const ended = (answer.exitCode ?? 0) === 0 ? 'ended well\n' : ''
    return { ...answer, exitCode: 0, stdout: `${answer.stdout ?? ''}${ended}` }
  }
}
