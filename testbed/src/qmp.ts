import { open } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { TestbedError } from './errors.ts'

/** A line of QEMU's machine protocol: a greeting, an answer or an event. */
interface Message {
  readonly return?: unknown
  readonly error?: { readonly class: string; readonly desc: string }
  readonly event?: string
}

/** A connection to the machine protocol of a QEMU. */
export interface Monitor extends AsyncDisposable {
  /** Sends one command and returns its answer. @throws TestbedError with the reason that QEMU reports. */
  execute(command: string, options?: Readonly<Record<string, unknown>>): Promise<unknown>
}

/**
 * Connects to a QEMU by the socket in its folder.
 *
 * The path of a unix socket may have at most 107 bytes, and the path of a checkout may be longer. The folder is therefore opened, and the
 * socket is reached through /proc/self/fd.
 *
 * @see https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export async function openMonitor(folder: string): Promise<Monitor> {
  const directory = await open(folder)
  try {
    const socket = await connected(`/proc/self/fd/${directory.fd}/qmp.sock`)
    const monitor = speak(socket)
    await monitor.execute('qmp_capabilities')
    return monitor
  } finally {
    await directory.close()
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket))
    socket.once('error', (cause) => reject(new TestbedError(`Cannot reach QEMU: ${cause.message}`)))
  })
}

function speak(socket: Socket): Monitor {
  const waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = []
  const fail = () => {
    for (const { reject } of waiting.splice(0)) reject(new TestbedError('QEMU ended before it answered'))
  }
  const lines = createInterface({ input: socket })
  // Both emit the same error, and an error without a listener would end the process.
  lines.on('error', fail)
  lines.on('line', (line) => {
    const message = JSON.parse(line) as Message
    if (message.error !== undefined) waiting.shift()?.reject(new TestbedError(`QEMU refused: ${message.error.desc}`))
    else if ('return' in message) waiting.shift()?.resolve(message.return)
  })
  socket.on('error', fail).on('close', fail)
  return {
    execute: (command, options) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new TestbedError('QEMU has ended'))
        waiting.push({ resolve, reject })
        socket.write(
          `${JSON.stringify({ execute: command, ...(options === undefined ? {} : { arguments: options }) })}\n`,
        )
      }),
    [Symbol.asyncDispose]: () => {
      socket.destroy()
      return Promise.resolve()
    },
  }
}
