import type { Finding } from './facility.ts'

/** How many problems of one kind are listed. */
const most = 20

/**
 * Returns a finding for each of the first twenty problems, and one for all that follow. Pure.
 *
 * @param rest the problems that are not listed: their name in the plural, and what is wrong with them
 */
export function listProblems<Problem>(
  problems: readonly Problem[],
  findingOf: (problem: Problem) => Pick<Finding, 'what' | 'otherwise'>,
  rest: { readonly name: string; readonly otherwise: string },
): readonly Finding[] {
  const more = problems.length - most
  return [
    ...problems.slice(0, most).map((problem) => ({ works: false, ...findingOf(problem) })),
    ...(more > 0 ? [{ works: false, what: `${more} more ${rest.name}`, otherwise: rest.otherwise }] : []),
  ]
}
