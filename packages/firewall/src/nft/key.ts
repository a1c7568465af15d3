import type { Element, KeyPart } from './table.ts'

/** Renders a key in the syntax of nft: `10000 . 10240-10247`. Two keys are equal when their texts are equal. Pure. */
export function renderKey(key: readonly KeyPart[]): string {
  return key.map((part) => renderPart(part)).join(' . ')
}

/** Renders an element without its counter: its key and, in a verdict map, the target chain. Pure. */
export function renderElement({ key, goto }: Element): string {
  return goto === undefined ? renderKey(key) : `${renderKey(key)} : goto ${goto}`
}

function renderPart(part: KeyPart): string {
  if (typeof part !== 'object') return String(part)
  if ('prefix' in part) return `${part.prefix.addr}/${part.prefix.len}`
  const [first, last] = part.range
  return first === last ? String(first) : `${first}-${last}`
}
