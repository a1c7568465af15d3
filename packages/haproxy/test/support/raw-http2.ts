/** The frames of HTTP/2 that a test writes byte by byte, because a client library refuses malformed requests. @see RFC 9113, RFC 7541 */

/** A name and a value. Bytes are characters of Latin-1. */
export type Field = readonly [name: string, value: string]

/** A request over HTTP/2. `:method`, `:scheme`, `:authority` and `:path` are fields like others. */
export interface RawHttp2 {
  readonly fields: readonly Field[]
  /** Absent: the head ends the request. */
  readonly body?: string
  readonly trailers?: readonly Field[]
  /** Leaves the stream open, as a tunnel needs it. */
  readonly open?: boolean
}

const types = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7 } as const
const endStream = 1
const endHeaders = 4

/** Renders a connection with one request. */
export function renderHttp2({ fields, body, trailers, open = false }: RawHttp2): Buffer {
  const ended = (last: boolean) => (last && !open ? endStream : 0)
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    frame(types.settings, 0, 0, Buffer.alloc(0)),
    frame(types.headers, endHeaders | ended(body === undefined && trailers === undefined), 1, encode(fields)),
    ...(body === undefined ? [] : [frame(types.data, ended(trailers === undefined), 1, Buffer.from(body, 'latin1'))]),
    ...(trailers === undefined ? [] : [frame(types.headers, endHeaders | endStream, 1, encode(trailers))]),
  ])
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Encodes fields as literals without indexing and without Huffman. */
function encode(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), encodeText(name), encodeText(value)]))
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const rest = bytes.length - 127
  return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes])
}

/** The statuses with an own index in the static table of HPACK, from index 8. */
const indexed = [200, 204, 206, 304, 400, 404, 500] as const

/** Returns the answer on the stream: the status of its first final head, or `refused` when HAProxy ended the stream or the connection. Undefined: not received yet. */
export function parseHttp2Answer(bytes: Buffer): number | 'refused' | undefined {
  for (let at = 0; at + 9 <= bytes.length;) {
    const [size, type, stream] = [bytes.readUIntBE(at, 3), bytes.readUInt8(at + 3), bytes.readUInt32BE(at + 5)]
    const payload = bytes.subarray(at + 9, at + 9 + size)
    if (payload.length < size) return undefined
    if (type === types.goaway || (type === types.reset && stream === 1)) return 'refused'
    if (type === types.headers && stream === 1) {
      const status = parseStatus(payload)
      if (status >= 200) return status
    }
    at += 9 + size
  }
  return undefined
}

function parseStatus(block: Buffer): number {
  const first = block.readUInt8(0)
  if (first >= 128) return indexed[(first & 127) - 8] ?? 0
  return Number(block.toString('latin1', 2, 5))
}
