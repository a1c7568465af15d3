import { Parser } from 'tap-parser'

/** What became of one test file. */
export interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
  /** A reason for each named test that was skipped, itself or a part of it. */
  readonly skipped: readonly string[]
  readonly seconds: number
  readonly output: string
  /** Node itself was ended by the processor before the file printed anything, or V8 found its own compiled code damaged. */
  readonly crashed: boolean
  /** It was ended because its time was over. */
  readonly timedOut: boolean
}

/** Begins the comment that names the file whose tests follow. */
export const fileMark = 'test file: '

interface Counts {
  passed: number
  failed: number
  readonly skipped: string[]
  begun: number
  ended: number
}

/** Counts the tests of one process by file, as its output arrives. */
export interface Tally {
  write(output: string): void
  /** @param ending how the process ended, unless well */
  end(ending: string | undefined): ReadonlyMap<string, Counts>
}

/**
 * Creates a tally for the files of one process.
 *
 * A named test of a file counts once, whatever it asserts; one that skips anything, itself or inside, counts as skipped. A file that has no
 * test, or whose process ended badly without a failed test, has failed.
 */
export function createTally(files: readonly string[]): Tally {
  const counts = new Map(
    files.map((file): [string, Counts] => [file, { passed: 0, failed: 0, skipped: [], begun: 0, ended: 0 }]),
  )
  let current = files[0] ?? ''
  const of = (file: string) => counts.get(file) ?? counts.get(files[0] ?? '')
  const inside: string[] = []
  let wellFormed = true
  const parser = new Parser((results) => {
    // A failed assertion makes the whole not ok, too: only what no assertion explains is damage.
    const explained = [...counts.values()].some(({ failed }) => failed > 0)
    if (!results.ok && !explained) wellFormed = false
  })
  parser.on('child', (child: Parser) => collectSkips(child, inside))
  parser.on('comment', (comment: string) => {
    const at = comment.indexOf(fileMark)
    if (at < 0) return
    current = comment.slice(at + fileMark.length).trim()
    const count = of(current)
    if (count !== undefined) count.begun = performance.now()
  })
  parser.on('assert', (result) => {
    const reasons = inside.splice(0)
    const count = of(current)
    if (count === undefined) return
    count.ended = performance.now()
    if (result.name === `end of ${current}`) return
    if (typeof result.skip === 'string' || result.skip === true) reasons.push(`${result.name}: ${result.skip}`)
    if (!result.ok) count.failed += 1
    else if (reasons.length === 0) count.passed += 1
    else count.skipped.push(reasons.join('; '))
  })
  return {
    write: (output) => parser.write(output),
    end: (ending) => {
      parser.end()
      const explained = [...counts.values()].some(({ failed }) => failed > 0)
      const damaged = !wellFormed || (ending !== undefined && !explained)
      const last = of(current)
      if (damaged && last !== undefined) last.failed += 1
      for (const count of counts.values())
        if (count.passed + count.failed + count.skipped.length === 0) count.failed += 1
      return counts
    },
  }
}

function collectSkips(parser: Parser, skipped: string[]): void {
  parser.on('child', (child: Parser) => collectSkips(child, skipped))
  parser.on('assert', (result) => {
    if (typeof result.skip === 'string' || result.skip === true) skipped.push(`${result.name}: ${result.skip}`)
  })
}

/** Returns the failed assertions of TAP output with what tap says of each, or the last lines of output that has none. Pure. */
export function failuresOf(output: string): string {
  const lines = output.split('\n')
  const shown: string[] = []
  let inside: string | undefined
  for (const line of lines) {
    const indent = /^( *)not ok /.exec(line)?.[1]
    if (indent !== undefined) inside = indent
    else if (inside !== undefined && !line.startsWith(`${inside} `) && line !== '') inside = undefined
    if (inside !== undefined) shown.push(line)
  }
  return (
    shown.length === 0 ? lines.slice(-100) : [...shown, ...lines.filter((line) => line.startsWith('# ended with '))]
  ).join('\n')
}
