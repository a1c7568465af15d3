/** What a set is keyed by, in nft's words. */
export type Datatype = 'uid' | 'inet_service' | 'ipv4_addr' | 'ipv6_addr'

/** One part of an element's key. Ranges are inclusive; addresses are in their canonical text. */
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
  /** As many parts as the set has types. */
  readonly key: readonly KeyPart[]
  /** The chain that a verdict map sends the packet to, by `goto`. */
  readonly goto?: string
  /** Observed on a set with counters. */
  readonly counter?: Counter
}

export interface NftSet {
  readonly name: string
  readonly type: readonly Datatype[]
  /** Elements may be ranges and prefixes. */
  readonly interval?: boolean
  /** Every element counts the packets that match it. */
  readonly counter?: boolean
  /** A verdict map instead of a set. */
  readonly verdicts?: boolean
  readonly elements: readonly Element[]
}

/** An expression or statement of libnftables-json(5), as it is written there. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface Rule {
  /** What `explain` and changes call it; unique in its table. */
  readonly name: string
  readonly statements: readonly Json[]
}

export interface Base {
  readonly hook: 'input' | 'output'
  readonly priority: number
}

export interface Chain {
  readonly name: string
  /** Where the kernel calls it; absent for a chain that others go to. A base chain is a filter with policy accept. */
  readonly base?: Base
  readonly rules: readonly Rule[]
}

/** A whole table of the family `inet`, as it is wanted. */
export interface Table {
  readonly name: string
  readonly sets: readonly NftSet[]
  readonly chains: readonly Chain[]
}

/** One command of a transaction, as libnftables-json(5) has it. */
export type NftCommand = { readonly [verb in 'add' | 'delete' | 'flush']?: { readonly [object: string]: Json } }

export interface ObservedSet extends NftSet {
  /** Elements of a shape that is not ours. */
  readonly foreign: number
}

export interface ObservedChain {
  readonly name: string
  readonly base?: Base
  /** The comment of every rule, in order; undefined for one without, which is never ours. */
  readonly comments: readonly (string | undefined)[]
}

/** Something in our table that is not ours. */
export interface Foreign {
  /** `chain`, `set`, `map`, `counter`, … */
  readonly kind: string
  readonly name: string
  /** The two for a person. */
  readonly text: string
  /** It is a set of ours, with elements that are not. */
  readonly elements?: boolean
}

/** The table as the kernel has it. */
export interface ObservedTable {
  readonly name: string
  readonly sets: ReadonlyMap<string, ObservedSet>
  readonly chains: ReadonlyMap<string, ObservedChain>
  /** What is in the table and is of no kind that we make. */
  readonly foreign: readonly Foreign[]
  /** nft's own objects, for putting the table back as it is. */
  readonly objects: readonly Json[]
}
