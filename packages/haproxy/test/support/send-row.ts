import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { parseHttp2Answer, renderHttp2, type RawHttp2 } from './raw-http2.ts'
import type { Passed, Row } from './request-table.ts'
import type { RenderedProxy } from './rendered.ts'

/** What happened to a row. */
export interface Outcome {
  readonly passes: readonly string[]
  readonly answers: readonly (number | 'refused' | 'silence')[]
}

/** Returns a row with its own name of four characters instead of `site`, in the case that was written. */
export function nameRow(row: Row, label: string): Row {
  const name = (text: string) =>
    text.replaceAll(/site/gi, (word) =>
      word === 'SITE' ? label.toUpperCase() : word === 'Site' ? label.charAt(0).toUpperCase() + label.slice(1) : label,
    )
  const fields = (list: RawHttp2['fields']) => list.map(([key, value]) => [key, name(value)] as const)
  const send = 'fields' in row.send ? { ...row.send, fields: fields(row.send.fields) } : row.send.map(name)
  const passed = (one: Passed) => ({ ...one, host: name(one.host ?? 'site.test'), body: name(one.body ?? '') })
  const { mayPass, newer } = row
  return {
    ...row,
    send,
    passes: row.passes.map(passed),
    ...(mayPass === undefined ? {} : { mayPass: passed(mayPass) }),
    ...(newer === undefined ? {} : { newer: { ...newer, passes: newer.passes.map(passed) } }),
  }
}

/** Returns the text of a request as the tenant receives it: its first line, the sorted headers, and the body. */
function renderPassed({ line, headers = [], host = '', body = '' }: Passed, proto: 'http' | 'https'): string {
  const added = [
    `host: ${host}`,
    `x-forwarded-host: ${host}`,
    'x-forwarded-for: 127.0.0.1',
    `x-forwarded-proto: ${proto}`,
  ]
  return sortHead(`${[line, ...headers, ...added].join('\r\n')}\r\n\r\n${body}`)
}

/** Sorts the headers of a request. Names that HAProxy writes itself lose their capitals. */
function sortHead(text: string): string {
  const end = text.indexOf('\r\n\r\n')
  const [line = '', ...headers] = text.slice(0, end).split('\r\n')
  const folded = headers.map((header) => header.replace(/^[^:]*/, (name) => name.toLowerCase()))
  const left = folded.filter((header) => !header.startsWith('sec-websocket-key:'))
  return [line, ...left.toSorted(), '', text.slice(end + 4)].join('\r\n')
}

/** Sends a row and returns the answers. */
export function sendRow(
  { send, answers }: Row,
  { port, tlsPort }: RenderedProxy,
  domain: string,
): Promise<Outcome['answers']> {
  if (!('fields' in send)) return sendHttp1(connect(port, '127.0.0.1'), send, answers.length)
  const options = {
    port: tlsPort,
    host: '127.0.0.1',
    servername: domain,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
  }
  return sendHttp2(connectTls(options), renderHttp2(send))
}

const patience = 5000

async function sendHttp1(socket: Socket, pieces: readonly string[], expected: number): Promise<Outcome['answers']> {
  let text = ''
  const statuses = () => [...text.matchAll(/^HTTP\/1\.[01] ([0-9]{3})/gm)].map((match) => Number(match[1]))
  const answers = () => statuses().filter((status) => status !== 100)
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    // One more answer than expected would follow at once.
    if (answers().length >= expected) setTimeout(() => socket.end(), 50)
  })
  const closed = untilClosed(socket)
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await sleep(30)
    socket.write(piece, 'latin1')
  }
  await closed
  return answers()
}

async function sendHttp2(socket: Socket, bytes: Buffer): Promise<Outcome['answers']> {
  const received: Buffer[] = []
  const closed = untilClosed(socket)
  socket.on('data', (piece: Buffer) => {
    received.push(piece)
    if (parseHttp2Answer(Buffer.concat(received)) !== undefined) socket.end()
  })
  socket.once('secureConnect', () => socket.write(bytes))
  await closed
  return [parseHttp2Answer(Buffer.concat(received)) ?? 'silence']
}

function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => undefined)
    socket.setTimeout(patience, () => socket.destroy())
    socket.once('close', () => resolve())
  })
}

/** Returns what was expected and what happened, as values that are equal when the row holds. */
export function judge(row: Row, outcome: Outcome): { readonly expected: Outcome; readonly outcome: Outcome } {
  const judged = judgeOne(row, outcome)
  if (row.newer === undefined || isDeepStrictEqual(judged.expected, judged.outcome)) return judged
  const newer = judgeOne({ ...row, ...row.newer }, outcome)
  return isDeepStrictEqual(newer.expected, newer.outcome) ? newer : judged
}

function judgeOne(row: Row, { passes, answers }: Outcome): ReturnType<typeof judge> {
  const proto = 'fields' in row.send ? 'https' : 'http'
  const allowed = row.mayPass === undefined ? '' : renderPassed(row.mayPass, proto)
  const received = passes.map(sortHead).filter((text) => !allowed.startsWith(text))
  const named = answers.map((answer, index) =>
    row.answers[index] === 'refused' && isRefused(answer) ? 'refused' : answer,
  )
  return {
    expected: { passes: row.passes.map((passed) => renderPassed(passed, proto)).toSorted(), answers: row.answers },
    outcome: { passes: received.toSorted(), answers: named },
  }
}

function isRefused(answer: Outcome['answers'][number]): boolean {
  return answer === 'refused' || Number(answer) >= 400
}
