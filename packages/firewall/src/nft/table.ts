/** The type of a key or of a part of it, by its name in nft. */
export type Datatype = 'uid' | 'inet_service' | 'ipv4_addr' | 'ipv6_addr'

/** One part of the key of an element. Ranges are inclusive. Addresses are in canonical text. */
export type KeyPart =
  | number
  | string
  | { readonly range: readonly [first: number, last: number] }
  | { readonly prefix: { readonly addr: string; readonly len: number } }

export interface Counter {
  readonly packets: number
  readonly bytes: number
}

export interface Element {
  /** One part for each type of the set. */
  readonly key: readonly KeyPart[]
  /** The target chain of an element in a verdict map (`goto`). */
  readonly goto?: string
  /** Present only when it was observed on a set with counters. */
  readonly counter?: Counter
}

export interface NftSet {
  readonly name: string
  readonly type: readonly Datatype[]
  /** Whether elements may be ranges and prefixes. */
  readonly interval?: boolean
  /** Whether every element counts the packets that match it. */
  readonly counter?: boolean
  /** Whether this is a verdict map instead of a set. */
  readonly verdicts?: boolean
  readonly elements: readonly Element[]
}

/** A JSON value: an expression or a statement in the format of libnftables-json(5). */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface Rule {
  /** The name in `explain` and in changes. Unique in its table. */
  readonly name: string
  readonly statements: readonly Json[]
}

export interface Base {
  readonly hook: 'input' | 'output'
  readonly priority: number
}

export interface Chain {
  readonly name: string
  /** The hook from which the kernel calls the chain: a filter with policy accept. Absent for a chain that rules jump to. */
  readonly base?: Base
  readonly rules: readonly Rule[]
}

/** A whole table of the family `inet`, as a spec describes it. */
export interface Table {
  readonly name: string
  readonly sets: readonly NftSet[]
  readonly chains: readonly Chain[]
}

/** One command of a transaction, in the format of libnftables-json(5). */
export type NftCommand = { readonly [verb in 'add' | 'delete' | 'flush']?: { readonly [object: string]: Json } }

export interface ObservedSet extends NftSet {
  /** The number of elements of a shape that the library does not write. */
  readonly foreign: number
}

export interface ObservedChain {
  readonly name: string
  readonly base?: Base
  /** The comment of every rule, in order. Undefined for a rule without a comment, which the library never writes. */
  readonly comments: readonly (string | undefined)[]
}

/** An object in the table that the library did not write. */
export interface Foreign {
  /** `chain`, `set`, `map`, `counter`, … */
  readonly kind: string
  readonly name: string
  /** The kind and the name, as text for messages. */
  readonly text: string
  /** True when elements of the set are foreign and the set itself is not. */
  readonly elements?: boolean
}

/** The table as the kernel reports it. */
export interface ObservedTable {
  readonly name: string
  readonly sets: ReadonlyMap<string, ObservedSet>
  readonly chains: ReadonlyMap<string, ObservedChain>
  /** Objects of kinds that the library does not write. */
  readonly foreign: readonly Foreign[]
  /** The objects of nft's listing, from which the table can be restored. */
  readonly objects: readonly Json[]
}
