/** Forged and smuggled requests through a real HAProxy, to a tenant that records bytes. The table is `support/request-table.ts`. */
import { mapLimit } from '@puppy/host'
import { execFileSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import { parseVersion } from '../src/version.ts'
import { program, startRendered } from './support/rendered.ts'
import { startRecorder, type Recorder } from './support/recorder.ts'
import { rows, type Row } from './support/request-table.ts'
import { judge, nameRow, sendRow, type Outcome } from './support/send-row.ts'
import { skipTls as skip } from './support/proxy.ts'

t.setTimeout(600_000)

/** A row with its own tenant. */
interface Case {
  readonly row: Row
  readonly domain: string
  readonly recorder: Recorder
}

async function createCases(t: Test): Promise<readonly Case[]> {
  return mapLimit(rows, 16, async (row) => {
    const label = `s${rows.indexOf(row).toString(36).padStart(3, '0')}`
    return { row: nameRow(row, label), domain: `${label}.test`, recorder: await startRecorder(t) }
  })
}

/** Sends every row to a HAProxy and returns the rows whose outcome differs. */
async function runTable(
  t: Test,
  cases: readonly Case[],
  change?: (text: string) => string,
): Promise<readonly { readonly title: string; readonly expected: Outcome; readonly outcome: Outcome }[]> {
  const routes = cases.map(({ domain, recorder }) => [domain, recorder.port] as const)
  const proxy = await startRendered(t, { routes, ...(change === undefined ? {} : { change }) })
  const outcomes = await mapLimit(cases, 64, async ({ row, domain, recorder }) => {
    const answers = await sendRow(row, proxy, domain)
    return { title: row.title, ...judge(row, { passes: await recorder.take(), answers }) }
  })
  await proxy.end()
  return outcomes
}

void t.test('what may pass, for each request of the table', { skip }, async (t) => {
  for (const { title, expected, outcome } of await runTable(t, await createCases(t)))
    t.strictSame(outcome, expected, title)
})

/**
 * Rules that count, or limit what the table never exceeds. Other tests are about them. Without `set-dst str`, HAProxy connects to 0.0.0.0, which
 * Linux takes for loopback.
 */
const tested = /track-sc|sc_conn_cur|sc-inc-gpc|contstats|suspended|txn\.slot|set-dst str/

/** HAProxy 2.6 deletes the Upgrade of a request with a body. So its rules, which repeat rules above, only matter to a newer version. */
const version = skip === false ? parseVersion(execFileSync(program, ['-vv'], { encoding: 'utf8' })) : undefined

void t.test(
  'each rule of the configuration is needed by a row of the table',
  { skip: process.env['TEST_FULL'] === '1' ? skip : 'takes minutes; set TEST_FULL=1' },
  async (t) => {
    const cases = await createCases(t)
    let rules: readonly string[] = []
    await runTable(t, cases.slice(0, 1), (whole) => {
      rules = whole.split('\n')
      return whole
    })
    for (const [index, rule] of rules.entries()) {
      const repeats = rules.indexOf(rule) < index || rule.includes('{ fc_http_major 1 }')
      if (repeats && version?.major === 2) continue
      if (!/^ {2}(http-re|tcp-re|option|use_backend|filter)/.test(rule) || tested.test(rule)) continue
      const outcomes = await runTable(t, cases, (whole) => whole.split('\n').toSpliced(index, 1).join('\n'))
      const broken = outcomes.filter(({ expected, outcome }) => !isDeepStrictEqual(expected, outcome))
      t.not(broken.length, 0, rule.trim())
      t.comment(`${broken.length} rows, for example ${broken[0]?.title}`)
    }
  },
)
