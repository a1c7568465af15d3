/** Times the phases of a command, for a line at its end. */
export interface Phases {
  time<Value>(name: string, work: () => Promise<Value>): Promise<Value>
  /** `image 81.2 s, boot 37.9 s, total 119.3 s`; phases of the same name are added up. */
  summary(): string
}

export function createPhases(now: () => number = () => performance.now()): Phases {
  const started = now()
  const spent = new Map<string, number>()
  return {
    time: async (name, work) => {
      const begun = now()
      try {
        return await work()
      } finally {
        spent.set(name, (spent.get(name) ?? 0) + now() - begun)
      }
    },
    summary: () =>
      [...spent, ['total', now() - started] as const]
        .map(([name, milliseconds]) => `${name} ${(milliseconds / 1000).toFixed(1)} s`)
        .join(', '),
  }
}
