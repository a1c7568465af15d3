#!/usr/bin/env node
// Brings the pinned Node, pnpm and the dependencies along, then runs the `puppy` command or another script with them.
// Plain JavaScript without dependencies: this is the one file that any Node >= 20 must be able to run.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// Not in package.json's packageManager: pnpm would then want itself in the lock file, with a signature of its registry.
const pnpm = 'pnpm@12.21.0'
const stampFile = join(root, 'node_modules', '.puppy-installed')
const node = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')

function fail(line) {
  console.error(line)
  process.exit(1)
}

/** What an installation depends on; as long as it is the same, a second start installs nothing. */
function stamp() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)))
  return `${hash.digest('hex')} ${process.arch}`
}

function install() {
  console.error('Installing dependencies: only the first time, or after they changed; this takes up to a minute')
  // What it says is shown only when it fails: to pnpm, the Node that runs this is not the one that our packages ask for.
  const { status, error, stdout, stderr } = spawnSync(
    'npx',
    ['--yes', pnpm, 'install', '--frozen-lockfile', '--reporter=append-only'],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', env: { ...process.env, CI: 'true' } },
  )
  if (error || status !== 0) {
    console.error(`${stdout ?? ''}${stderr ?? ''}`)
    fail(
      `Cannot install the dependencies: npx ${pnpm} install ${error ? `did not start (${error.message})` : 'failed (see above)'}`,
    )
  }
  const started = spawnSync(node, ['--version'], { encoding: 'utf8' })
  if (started.status !== 0) {
    fail(
      `The Node that came along does not start here (${(started.error?.message ?? started.stderr).trim()}); on Debian: apt-get install -y libstdc++6`,
    )
  }
  writeFileSync(stampFile, stamp())
}

if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  fail(`Puppy runs on Linux on x64 or arm64, and this is ${process.platform} on ${process.arch}`)
}
if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp() || !existsSync(node)) install()

const [first, ...rest] = process.argv.slice(2)
const command =
  first === '--run'
    ? [join(root, rest[0] ?? ''), ...rest.slice(1)]
    : [join(root, 'packages/puppy/src/cli.ts'), ...process.argv.slice(2)]
const child = spawn(node, command, {
  stdio: 'inherit',
  // Compiled once, loaded quickly: our TypeScript is stripped at every start otherwise.
  env: {
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'),
    ...process.env,
    PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}`,
  },
})
// A terminal sends Ctrl-C to the whole group and the child decides; a signal sent to us alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'])
  process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('error', (error) => fail(`Cannot start ${node}: ${error.message}`))
child.on('exit', (code, signal) => {
  if (signal) console.error(`${command[0]} was ended by ${signal}`)
  process.exit(code ?? 1)
})
