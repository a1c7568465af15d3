import type { Element, KeyPart } from './table.ts'

/** Renders a key as nft's own text has it: `10000 . 10240-10247`. Two keys are the same when their texts are. */
export function renderKey(key: readonly KeyPart[]): string {
  return key.map((part) => renderPart(part)).join(' . ')
}

/** Renders an element without its counter: its key and, in a verdict map, where it goes. */
export function renderElement({ key, goto }: Element): string {
  return goto === undefined ? renderKey(key) : `${renderKey(key)} : goto ${goto}`
}

function renderPart(part: KeyPart): string {
  if (typeof part !== 'object') return String(part)
  if ('prefix' in part) return `${part.prefix.addr}/${part.prefix.len}`
  const [first, last] = part.range
  return first === last ? String(first) : `${first}-${last}`
}
