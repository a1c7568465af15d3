import type { Json } from '../nft/table.ts'

/* The expressions and statements of libnftables-json(5) that the rules use. */

export const skuid: Json = { meta: { key: 'skuid' } }
export const sourcePort: Json = { payload: { protocol: 'th', field: 'sport' } }
export const destinationPort: Json = { payload: { protocol: 'th', field: 'dport' } }

export const accept: Json = { accept: null }
export const drop: Json = { drop: null }
export const back: Json = { return: null }
export const reset: Json = { reject: { type: 'tcp reset' } }
export const prohibited: Json = { reject: { type: 'icmpx', expr: 'admin-prohibited' } }

export const payload = (protocol: string, field: string): Json => ({ payload: { protocol, field } })
export const pair = (...parts: readonly Json[]): Json => ({ concat: parts })
export const range = (first: number, last: number): Json => (first === last ? first : { range: [first, last] })
export const one = (...values: readonly Json[]): Json => ({ set: values })
export const jump = (target: string): Json => ({ jump: { target } })

export const is = (left: Json, right: Json): Json => ({ match: { op: '==', left, right } })
export const isNot = (left: Json, right: Json): Json => ({ match: { op: '!=', left, right } })

export const transport: Json = is({ meta: { key: 'l4proto' } }, one('tcp', 'udp'))
export const tcp: Json = is({ meta: { key: 'l4proto' } }, 'tcp')
/** The second packet of a handshake: SYN and ACK. */
export const handshake: Json = is({ '&': [payload('tcp', 'flags'), 0x12] }, 0x12)
/** A packet that opens a TCP connection: SYN without ACK. */
export const opening: Json = is({ '&': [payload('tcp', 'flags'), 0x12] }, 0x02)
export const udp: Json = is({ meta: { key: 'l4proto' } }, 'udp')
/**
 * A packet with a uid. A rule about `skuid` matches no packet without a uid, whether it says `==` or `!=`. No user can have this uid.
 */
export const hasUid: Json = isNot(skuid, 2 ** 32 - 1)
/** TCP without a SYN, after the handshake. Rules check the two packets of the handshake with a SYN. */
export const judged: Json = isNot({ '&': [payload('tcp', 'flags'), 0x02] }, 0x02)
export const out = (op: '==' | '!='): Json => ({ match: { op, left: { meta: { key: 'oif' } }, right: 'lo' } })
export const fromInside: Json = is({ meta: { key: 'iif' } }, 'lo')
