import { glob, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { denialsSince, summarizeDenials } from './denials.ts'
import type { Guest } from './guest.ts'
import type { TestbedPaths } from './paths.ts'
import { attachToGuest, runInGuest, sshWords } from './ssh.ts'
import { guestCheckout } from './sync.ts'

/** The start of every script in the guest: it uses the code and the Node of the checkout. */
const prepare = [
  `cd ${guestCheckout}`,
  `export PATH=${guestCheckout}/node_modules/.bin:$PATH`,
  'export NODE_COMPILE_CACHE=/srv/dependencies/.cache/node NODE_NO_WARNINGS=1 TESTBED_GUEST=1',
  ...(process.env['CI'] === undefined ? [] : ['export CI=true']),
].join('\n')

/** The exit code of ssh when the connection fails. Otherwise ssh returns the exit code of the command. @see ssh(1) */
const connectionLost = 255
/** The exit code of a shell after SIGSEGV. An emulated Node sometimes crashes with it at its start. */
const crashed = 139
const tapFolder = '/var/tmp/testbed-tap'

/** Options of `runLiveTests`. */
export interface LiveOptions {
  /** Parts of paths. Empty: all live tests. */
  readonly only: readonly string[]
  /** Whether to include the long tests. */
  readonly full: boolean
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  readonly reboot: (guest: Guest) => Promise<void>
}

/**
 * Runs the live tests in a guest and prints their output. Returns whether all passed.
 *
 * Copies the TAP of each file, the journal of that time and every SELinux denial to the results folder. The tests in `test/live/reboot/`
 * run last, with a reboot between `before` and `after`.
 */
export async function runLiveTests(paths: TestbedPaths, guest: Guest, options: LiveOptions): Promise<boolean> {
  const { full, say, only } = options
  const since = Number(await runInGuest(guest, `rm -rf ${tapFolder}; date +%s`))
  const all = await Array.fromAsync(glob('{packages/*,testbed}/test/live/**/*.ts', { cwd: paths.checkout }))
  const chosen = all.filter((file) => only.length === 0 || only.some((part) => file.includes(part)))
  const isAround = (file: string) => file.includes('/live/reboot/')
  let code = 0
  const words = ['node', 'tools/test.ts', '--live', ...(full ? ['--full'] : []), `--tap=${tapFolder}`]
  const run = async (...more: readonly string[]) => {
    const line = [...words, ...more, ...only].map(quote).join(' ')
    let one = await attachToGuest(guest, `${prepare}\n${line}`, options.signal)
    if (one === crashed) {
      say('UNSTABLE: Node itself crashed in the guest; running the tests again')
      one = await attachToGuest(guest, `${prepare}\n${line}`, options.signal)
    }
    code = code === 0 || one === connectionLost ? one : code
  }
  if (chosen.length === 0 || chosen.some((file) => !isAround(file))) await run()
  if (code !== connectionLost && chosen.some(isAround)) {
    await run('--reboot=before')
    await options.reboot(guest)
    await run('--reboot=after')
  }
  if (code === connectionLost) {
    say('The connection to the guest was lost')
    return false
  }
  const results = join(paths.results, guest.name)
  const denials = await bringBack(guest, results, since)
  say(`SELinux denials during the tests: ${denials.length}; TAP, journal and denials are in ${results}`)
  if (code !== 0) for (const denial of summarizeDenials(denials)) say(`  ${denial}`)
  return code === 0
}

/** Runs the benchmarks in a guest. Returns their exit code. */
export function runBenches(guest: Guest, words: readonly string[], signal: AbortSignal): Promise<number> {
  return attachToGuest(guest, `${prepare}\nexec node bench/run.ts ${words.map(quote).join(' ')}`, signal)
}

async function bringBack(guest: Guest, results: string, since: number): Promise<readonly string[]> {
  await rm(results, { recursive: true, force: true })
  await mkdir(join(results, 'tap'), { recursive: true })
  const fetch = [...sshWords(guest.port), '127.0.0.1', `mkdir -p ${tapFolder}; tar -c -C ${tapFolder} .`]
  const unpack = ['-x', '-C', join(results, 'tap')]
  const patience = { timeout: 600_000 }
  await execa('ssh', fetch, { cwd: guest.folder, stdin: 'ignore', reject: false, ...patience }).pipe('tar', unpack, {
    reject: false,
  })
  // Read the oldest file first: auditd begins a new file every few megabytes.
  const log = await runInGuest(guest, 'cat $(ls -tr /var/log/audit/audit.log*)', patience)
  const denials = denialsSince(log, since)
  await writeFile(join(results, 'denials.log'), denials.map((line) => `${line}\n`).join(''))
  await writeFile(
    join(results, 'journal.log'),
    await runInGuest(guest, `journalctl --since=@${since} -o short-precise`, patience),
  )
  return denials
}

/** Quotes any word for the guest's shell. Pure. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
