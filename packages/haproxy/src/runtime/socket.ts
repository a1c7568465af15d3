import { effectTimeout, type EffectOptions, type FacilityErrorFacts } from '@puppy/host'
import { connect, type Socket } from 'node:net'
import { encodeCliWord } from '../encode.ts'
import { HaproxyError } from '../errors.ts'
import { parseReplies, type Reply } from './reply.ts'

/** Options of one command. The timeout covers the command and its whole reply. */
export interface CommandOptions extends EffectOptions {
  /** Rows that belong to the command, from `encodeCliPayload`. */
  readonly payload?: string
}

/**
 * A client of HAProxy's runtime socket.
 *
 * Sends commands one after another, each on its own connection. HAProxy closes the connection after the reply, so a complete reply
 * differs from an incomplete one.
 */
export interface Runtime {
  /**
   * Encodes and sends one command, and returns the reply without the blank line at its end.
   *
   * @throws HaproxyError `HAPROXY_NOT_RUNNING` (no process listens), `HAPROXY_COMMAND_REFUSED` (with the message of HAProxy),
   *   `HAPROXY_REPLY_INCOMPLETE` (no reply, or an incomplete one), `HAPROXY_TIMEOUT`, `HAPROXY_ABORTED`,
   *   `HAPROXY_NOT_ENCODABLE` (nothing was sent). Each names the command.
   */
  send(words: readonly string[], options?: CommandOptions): Promise<string>

  /**
   * Sends commands that have an empty reply when they succeed (`set map`, `del map`, `clear table`). Returns one reply
   * for each, in order. A refused command does not stop the commands after it.
   *
   * @throws HaproxyError as `send`, except `HAPROXY_COMMAND_REFUSED`.
   */
  sendMany(commands: readonly (readonly string[])[], options?: EffectOptions): Promise<readonly Reply[]>
}

/** Milliseconds to wait for a connection, and for the next data of a reply. */
const connectTimeout = 2000
const silenceTimeout = 10_000
const maxReply = 256 * 1024 * 1024
/** Bytes of commands in one connection. HAProxy's buffer has 16,384. */
const maxLine = 8000

const withSeverity = 'set severity-output number'

/** Creates a client for the runtime socket at this path. Connects when the first command is sent. */
export function openRuntime(path: string): Runtime {
  const queue = createQueue()
  const exchange = (line: string, operation: string, options: EffectOptions) =>
    queue(() => converse(path, `${withSeverity};${line}\n`, operation, options))
  return Object.freeze({
    send: async (words: readonly string[], options: CommandOptions = {}) => {
      const operation = nameOf(words)
      const payload = options.payload === undefined ? '' : ` <<\n${options.payload}`
      const text = await exchange(`${encode(words)}${payload}`, operation, options)
      const reply = parseReplies(text, 1, operation)[0]
      if (reply?.severity !== undefined && reply.severity <= 3) throw refused(operation, reply.text)
      return reply?.text ?? ''
    },
    sendMany: async (commands: readonly (readonly string[])[], options: EffectOptions = {}) => {
      const replies: Reply[] = []
      for (const group of groupCommands(commands)) {
        const operation = nameOf(group[0]?.words ?? [])
        const text = await exchange(group.map(({ line }) => line).join(';'), operation, options)
        replies.push(...parseReplies(text, group.length, operation))
      }
      return replies
    },
  })
}

function refused(operation: string, said: string): HaproxyError {
  return new HaproxyError('HAPROXY_COMMAND_REFUSED', { operation, said })
}

function encode(words: readonly string[]): string {
  return words.map((word) => encodeCliWord(word)).join(' ')
}

/** Returns the verb and the object of a command, without its values. */
function nameOf(words: readonly string[]): string {
  return words.slice(0, 2).join(' ')
}

interface EncodedCommand {
  readonly words: readonly string[]
  readonly line: string
}

function groupCommands(commands: readonly (readonly string[])[]): readonly (readonly EncodedCommand[])[] {
  const groups: EncodedCommand[][] = []
  let size = 0
  for (const words of commands) {
    const line = encode(words)
    const bytes = Buffer.byteLength(line) + 1
    const last = groups.at(-1)
    if (last === undefined || size + bytes > maxLine) groups.push([{ words, line }])
    else last.push({ words, line })
    size = last === undefined || size + bytes > maxLine ? bytes : size + bytes
  }
  return groups
}

function createQueue(): <Value>(work: () => Promise<Value>) => Promise<Value> {
  let tail: Promise<unknown> = Promise.resolve()
  return (work) => {
    const mine = tail.then(work)
    tail = mine.catch(() => undefined)
    return mine
  }
}

/** Opens one connection, sends the line and reads until HAProxy closes. */
function converse(path: string, line: string, operation: string, options: EffectOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const aborted = () => failure('HAPROXY_ABORTED', { operation, target: path, detail: 'the caller aborted it' })
    if (options.signal?.aborted === true) return reject(aborted())
    const socket = connect({ path })
    const chunks: Buffer[] = []
    const timeout = options.timeout ?? effectTimeout
    const overall = setTimeout(() => fail(late(operation, path, `the reply did not end within ${timeout} ms`)), timeout)
    const abort = () => fail(aborted())
    const finish = () => {
      clearTimeout(overall)
      options.signal?.removeEventListener('abort', abort)
      socket.destroy()
    }
    const fail = (error: HaproxyError) => {
      finish()
      reject(error)
    }
    options.signal?.addEventListener('abort', abort, { once: true })
    watchSilence(socket, (detail) => fail(late(operation, path, detail)))
    let size = 0
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length
      chunks.push(chunk)
      if (size > maxReply)
        fail(
          failure('HAPROXY_REPLY_UNKNOWN', {
            operation,
            target: path,
            detail: `the reply is longer than ${maxReply} bytes`,
          }),
        )
    })
    socket.once('error', (cause) => fail(connectionError(cause, operation, path)))
    socket.once('end', () => {
      finish()
      resolve(Buffer.concat(chunks).toString('utf8'))
    })
    // Not `end`: HAProxy closes the connection after the reply, and a half-closed connection could end a long reply early.
    socket.once('connect', () => socket.write(line))
    return undefined
  })
}

function watchSilence(socket: Socket, late: (detail: string) => void): void {
  socket.setTimeout(connectTimeout, () => late(`no connection within ${connectTimeout} ms`))
  socket.once('connect', () => {
    socket.removeAllListeners('timeout')
    socket.setTimeout(silenceTimeout, () => late(`no data for ${silenceTimeout} ms`))
  })
}

function failure(code: 'HAPROXY_ABORTED' | 'HAPROXY_REPLY_UNKNOWN', facts: FacilityErrorFacts): HaproxyError {
  return new HaproxyError(code, facts)
}

function late(operation: string, path: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_TIMEOUT', { operation, target: path, detail })
}

/** HAProxy does not run when the file does not exist, is no socket, or has no listener. Any other failure interrupted a reply. */
function connectionError(cause: NodeJS.ErrnoException, operation: string, path: string): HaproxyError {
  const absent = ['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'].includes(cause.code ?? '')
  const code = absent ? 'HAPROXY_NOT_RUNNING' : 'HAPROXY_REPLY_INCOMPLETE'
  const detail = `${absent ? 'no process listens there' : 'the connection failed'} (${cause.code ?? cause.message})`
  return new HaproxyError(code, { operation, target: path, detail, cause })
}
