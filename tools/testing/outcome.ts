import { Parser } from 'tap-parser'

/** The outcome of one test file. */
export interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
  /** A reason for each named test that was skipped, completely or in part. */
  readonly skipped: readonly string[]
  readonly seconds: number
  readonly output: string
  /** Whether a fault of the processor ended Node before any output, or V8 found its own compiled code damaged. */
  readonly crashed: boolean
  /** Whether the file was ended because of its timeout. */
  readonly timedOut: boolean
}

/** The start of the comment that names the file of the next tests. */
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
  /** Returns the counts. @param ending how the process ended, or undefined for exit code 0 */
  end(ending: string | undefined): ReadonlyMap<string, Counts>
}

/**
 * Creates a tally for the files of one process.
 *
 * A named test of a file counts once, whatever it asserts. A test that is skipped completely or in part counts as skipped. A file without a
 * test has failed. The last file of a process that ended with an error but without a failed test has failed.
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
    // A failed assertion also makes the whole result not ok. Without a failed assertion, the output is damaged.
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

/** Returns the failed assertions of TAP output with their diagnostics, or the last lines of an output without any. Pure. */
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
