#!/usr/bin/env node
// Installs the pinned Node, pnpm and the dependencies, then runs the `puppy` command or another script with them.
// Plain JavaScript without dependencies: any Node >= 20 must be able to run this file.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// Not in package.json's packageManager: pnpm would then require itself in the lock file, with a signature of its registry.
const pnpm = 'pnpm@12.21.0'
const stampFile = join(root, 'node_modules', '.puppy-installed')
const node = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')

function fail(line) {
  console.error(line)
  process.exit(1)
}

/** Returns a hash of everything that an installation depends on. While it is the same, a start installs nothing. */
function stamp() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)))
  return `${hash.digest('hex')} ${process.arch}`
}

function install() {
  console.error('Installing the dependencies, because they are missing or have changed; this takes up to a minute')
  // Show the output only on failure: pnpm warns that the Node that runs it is not the one that our packages require.
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
      `Cannot start the installed Node (${(started.error?.message ?? started.stderr).trim()}); on Debian: apt-get install -y libstdc++6`,
    )
  }
  writeFileSync(stampFile, stamp())
}

if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  fail(`Puppy needs Linux on x64 or arm64, but this machine is ${process.platform} on ${process.arch}`)
}
if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp() || !existsSync(node)) install()

const [first, ...rest] = process.argv.slice(2)
const command =
  first === '--run'
    ? [join(root, rest[0] ?? ''), ...rest.slice(1)]
    : [join(root, 'packages/puppy/src/cli.ts'), ...process.argv.slice(2)]
const child = spawn(node, command, {
  stdio: 'inherit',
  // Without the compile cache, Node strips the types of our TypeScript at every start.
  env: {
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node'),
    ...process.env,
    PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}`,
  },
})
// A terminal sends Ctrl-C to the whole process group, so the child receives it too. A signal to this process alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'])
  process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('error', (error) => fail(`Cannot start ${node}: ${error.message}`))
child.on('exit', (code, signal) => {
  if (signal) console.error(`${command[0]} was ended by ${signal}`)
  process.exit(code ?? 1)
})
