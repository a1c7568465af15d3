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
  /** The name in `explain` and in changes; unique in its table. */
  readonly name: string
  readonly statements: readonly Json[]
}

export interface Base {
  readonly hook: 'input' | 'output'
  readonly priority: number
}

export interface Chain {
  readonly name: string
  /** Where the kernel calls it. Absent for a chain that rules jump to. A base chain is a filter with policy accept. */
  readonly base?: Base
  readonly rules: readonly Rule[]
}

/** A whole table of the family `inet`, as a spec describes it. */
export interface Table {
  readonly name: string
  readonly sets: readonly NftSet[]
  readonly chains: readonly Chain[]
}

/** One command of a transaction, as libnftables-json(5) has it. */
export type NftCommand = { readonly [verb in 'add' | 'delete' | 'flush']?: { readonly [object: string]: Json } }

export interface ObservedSet extends NftSet {
  /** How many elements have a shape that the library does not write. */
  readonly foreign: number
}

export interface ObservedChain {
  readonly name: string
  readonly base?: Base
  /** The comment of every rule, in order; undefined for a rule without one, which the library never writes. */
  readonly comments: readonly (string | undefined)[]
}

/** An object in the table that the library did not write. */
export interface Foreign {
  /** `chain`, `set`, `map`, `counter`, … */
  readonly kind: string
  readonly name: string
  /** Both, for a person. */
  readonly text: string
  /** Only elements of the set are foreign, not the set. */
  readonly elements?: boolean
}

/** The table as the kernel has it. */
export interface ObservedTable {
  readonly name: string
  readonly sets: ReadonlyMap<string, ObservedSet>
  readonly chains: ReadonlyMap<string, ObservedChain>
  /** Objects of kinds that the library does not write. */
  readonly foreign: readonly Foreign[]
  /** nft's own objects, to restore the table as it is. */
  readonly objects: readonly Json[]
}
