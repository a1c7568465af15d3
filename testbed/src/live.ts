import { glob, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { denialsSince, summarizeDenials } from './denials.ts'
import type { Guest } from './guest.ts'
import type { TestbedPaths } from './paths.ts'
import { attachToGuest, runInGuest, sshWords } from './ssh.ts'
import { guestCheckout } from './sync.ts'

/** What runs in the guest: the checkout's code with the checkout's Node. */
const prepare = [
  `cd ${guestCheckout}`,
  `export PATH=${guestCheckout}/node_modules/.bin:$PATH`,
  'export NODE_COMPILE_CACHE=/srv/dependencies/.cache/node NODE_NO_WARNINGS=1 TESTBED_GUEST=1',
  ...(process.env['CI'] === undefined ? [] : ['export CI=true']),
].join('\n')

/** What ssh ends with when it is not the command's own. @see ssh(1) */
const connectionLost = 255
/** What a shell makes of SIGSEGV, which an emulated Node meets now and then as it starts. */
const crashed = 139
const tapFolder = '/var/tmp/testbed-tap'

export interface LiveOptions {
  /** Parts of paths; none for all live tests. */
  readonly only: readonly string[]
  /** The long runs too. */
  readonly full: boolean
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  readonly reboot: (guest: Guest) => Promise<void>
}

/**
 * Runs the live tests in a guest, their output going to ours, and brings back the TAP of each file, the journal of the
 * time and every denial of SELinux. Those in `test/live/reboot/` come last, with a reboot between `before` and `after`.
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
      say('UNSTABLE: Node itself crashed in the guest; once more')
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
    say('The connection to the guest is lost')
    return false
  }
  const results = join(paths.results, guest.name)
  const denials = await bringBack(guest, results, since)
  say(`SELinux refused ${denials.length} times meanwhile; TAP, journal and denials are in ${results}`)
  if (code !== 0) for (const denial of summarizeDenials(denials)) say(`  ${denial}`)
  return code === 0
}

/** Runs the benchmarks in a guest. */
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
  // Oldest first: auditd begins a new file every few megabytes.
  const log = await runInGuest(guest, 'cat $(ls -tr /var/log/audit/audit.log*)', patience)
  const denials = denialsSince(log, since)
  await writeFile(join(results, 'denials.log'), denials.map((line) => `${line}\n`).join(''))
  await writeFile(
    join(results, 'journal.log'),
    await runInGuest(guest, `journalctl --since=@${since} -o short-precise`, patience),
  )
  return denials
}

/** A word for the guest's shell, whatever is in it. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
