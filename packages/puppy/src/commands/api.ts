import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, createObserver, listen, type ListenTarget } from '@puppy/api'
import { createHost, errno, type Host } from '@puppy/host'
import { readProcessFile } from '@puppy/host/proc'
import type { Config } from '../config.ts'
import { openDatabase, StartError } from '@puppy/state'
import { prepareApi } from '../api-process.ts'
import { listenError, portPatience } from '../listen-error.ts'
import { databaseUrls, placesOf } from '../places.ts'
import { warn } from '../say.ts'
import { dropRoot, ensureSystemUsers } from '../system-users.ts'
import { untilToldToEnd } from './signals.ts'

/**
 * Runs `puppy api`: serves HTTP until SIGINT or SIGTERM, on the sockets that it received or on its own. A process with privileges first
 * replaces itself by one without.
 */
export async function api(config: Config): Promise<void> {
  const machine = createHost()
  const users = await ensureSystemUsers(machine, config)
  if (config.privileged && !(await isConfined(machine))) {
    if (config.sockets > 0)
      throw new StartError(
        'Cannot start the API as root with a socket of another process; start it as another user, such as User=puppy-api in its unit',
      )
    const { command, env, remark } = await prepareApi(machine, config, users?.api)
    if (remark !== undefined) warn(remark)
    await placesOf(config).api.write(process.pid)
    process.execve?.(command[0], [...command], env)
  }
  await writePid(machine, config)
  const database = openDatabase({ url: databaseUrls(config).api, name: 'puppy api', connections: 20 })
  const observer = createObserver(database)
  const dependencies = { database, observer, required: config.require, most: config.most }
  const app = await createApp(dependencies, {
    logger: { level: config.logLevel === 'info' ? 'warn' : config.logLevel },
  })
  try {
    if (users !== undefined) dropRoot(users.api)
    await listenPatiently(machine, app, config)
    await untilToldToEnd()
  } finally {
    await observer.close()
    await app.close()
    await database.end()
  }
}

/** Returns whether this process can gain no privilege. @see proc_pid_status(5) */
async function isConfined(machine: Host): Promise<boolean> {
  const status = (await readProcessFile(machine, process.pid, 'status')) ?? ''
  return status.split('\n').includes('NoNewPrivs:\t1')
}

/** `up` writes this file too, but may be killed before it does. A user that does not own the folder cannot write it. */
async function writePid(machine: Host, config: Config): Promise<void> {
  const folder = await machine.status(config.runDir)
  if (folder?.uid === process.getuid?.()) await placesOf(config).api.write(process.pid)
}

/** Listens. If another program has the port, tries again for a while: it may be an API that is ending. */
async function listenPatiently(machine: Host, app: Parameters<typeof listen>[0], config: Config): Promise<void> {
  const [first, ...others] = Array.from({ length: config.sockets }, (_, index) => 3 + index)
  const at: ListenTarget = first === undefined ? config.listen : { descriptors: [first, ...others] }
  for (const until = performance.now() + portPatience; ; await sleep(250)) {
    try {
      await listen(app, at)
      return
    } catch (error) {
      // A failure closes a socket that was handed over.
      const again = errno(error) === 'EADDRINUSE' && config.sockets === 0 && performance.now() < until
      if (!again) throw await listenError(machine, config.listen, error)
    }
  }
}
