import { addTable, deleteTable, family, flushSet, flushTable, inMessages, renderCommands } from './nft/render.ts'
import type { Json, NftCommand, ObservedTable, Table } from './nft/table.ts'

type Fields = { readonly [key: string]: Json }

/**
 * Renders a file for `nft -j -f FILE` that restores a table to the state in which it was read, whatever its state is now. One transaction
 * writes all rules and elements again. Counters of tenants keep their values.
 *
 * If the table held foreign objects, the file deletes the table and creates it again. If the table did not exist, the file deletes it.
 */
export function renderRestore(name: string, observed: ObservedTable | undefined): string {
  if (observed === undefined) return renderCommands(deleteTable(name))
  const begin = observed.foreign.length > 0 ? deleteTable(name) : []
  return renderCommands([...begin, ...rewrite(name, observed)])
}

/** Returns the commands that load a table without reading its present state first, as at boot. Pure. */
export function loadCommands(table: Table): readonly NftCommand[] {
  const all = addTable(table)
  const fills = all.filter(({ add }) => add !== undefined && ('element' in add || 'rule' in add))
  const shells = all.filter((command) => !fills.includes(command))
  const flushes = table.sets.filter(({ counter }) => counter !== true).map((set) => flushSet(table.name, set))
  return [...shells, flushTable(table.name), ...flushes, ...fills]
}

function rewrite(name: string, { objects, sets }: ObservedTable): readonly NftCommand[] {
  const of = (...kinds: readonly string[]) =>
    objects.flatMap((object): (readonly [string, Fields])[] => {
      const [kind = '', fields] = Object.entries(object as Fields)[0] ?? []
      return kinds.includes(kind) ? [[kind, fields as Fields]] : []
    })
  const rest = objects.flatMap((object) => Object.keys(object as Fields)).filter((kind) => !known.includes(kind))
  const holders = of('set', 'map')
  return [
    { add: { table: { family, name } } },
    ...of(...rest, 'set', 'map', 'chain').map(([kind, fields]) => ({ add: { [kind]: bare(fields) } })),
    flushTable(name),
    ...[...sets.values()].filter(({ counter }) => counter !== true).map((set) => flushSet(name, set)),
    ...holders.flatMap(([, { name: set = '', elem }]): readonly NftCommand[] =>
      inMessages(Array.isArray(elem) ? (elem as readonly Json[]) : []).map((some) => ({
        add: { element: { family, table: name, name: set, elem: some } },
      })),
    ),
    ...of('rule').map(([, fields]) => ({ add: { rule: bare(fields) } })),
  ]
}

const known: readonly string[] = ['table', 'set', 'map', 'chain', 'rule']

function bare({ handle: _handle, elem: _elem, ...fields }: Fields): Fields {
  return fields
}
