import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import { freePort } from '@puppy/host/testing'
import type { Test } from 'tap'
import { renderConfig } from '../../src/config/render.ts'
import { requestBodyScript } from '../../src/config/script.ts'
import type { ConfigSpec } from '../../src/settings.ts'
import { makeCertificate, range, testFolder } from './proxy.ts'

/** The path of the program. Empty when it is not installed. */
export const program = createHost().program('haproxy') ?? ''

/** A HAProxy that runs a rendered configuration directly, so that a test can change the text. */
export interface RenderedProxy {
  readonly port: number
  readonly tlsPort: number
  end(): Promise<void>
}

/** Options of `startRendered`. */
export interface RenderedOptions {
  readonly spec?: Partial<ConfigSpec>
  /** Rows of the map of hosts. */
  readonly routes: readonly (readonly [domain: string, port: number])[]
  /** Changes the text of the configuration before HAProxy reads it. */
  readonly change?: (text: string) => string
}

/** Starts HAProxy with certificates for `*.test`, and waits until it listens. It ends with the test. */
export async function startRendered(t: Test, { spec = {}, routes, change }: RenderedOptions): Promise<RenderedProxy> {
  const folder = testFolder(t)
  const [port, tlsPort] = [await freePort(), await freePort()]
  makeCertificate(`${folder}/a.pem`, ['*.test'])
  const tls = { listen: [`127.0.0.1:${tlsPort}`], certificates: [`${folder}/a.pem`] }
  const common = { folder, runFolder: folder, listen: [`127.0.0.1:${port}`], tls, connectionsPerTenant: 1000, ...range }
  const text = renderConfig({ ...common, ...spec })
  mkdirSync(`${folder}/peers`)
  const files = {
    'haproxy.cfg': change === undefined ? text : change(text),
    'request-body.lua': requestBodyScript,
    'certificates.crt-list': `${folder}/a.pem\n`,
    'hosts.map': routes.map(([domain, tenant]) => `${domain} ${tenant}\n`).join(''),
    'suspended.map': '',
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(`${folder}/${name}`, content)
  const child = spawn(program, ['-db', '-L', 'puppy', '-f', `${folder}/haproxy.cfg`], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const end = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(end)
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error('HAProxy ended instead of listening')
    await sleep(10)
  }
  return { port, tlsPort, end }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return connected
}
