import type { FakeHost } from '@puppy/host/fake'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups, type FakeCgroups, type FakeOptions } from '../../src/fake.ts'
import { openSlices, type Slices } from '../../src/systemd/slices.ts'

export interface FakeMachine extends FakeCgroups {
  readonly host: FakeHost
  readonly slices: Slices
  readonly options: { readonly cgroupfs: FakeCgroups['cgroupfs'] }
  /** Returns how often systemd has reloaded its units. */
  reloads(): number
  /** Runs `systemctl set-property`, as an operator would. */
  setProperty(unit: string, line: string): Promise<void>
}

/** Creates a host with a systemd, both in memory. */
export function machine(options?: FakeOptions): FakeMachine {
  const fake = createFakeCgroups(options)
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  return {
    ...fake,
    host,
    options: { cgroupfs: fake.cgroupfs },
    slices: openSlices(host, { cgroupfs: fake.cgroupfs }),
    reloads: () => host.commands.filter((command) => command.includes('daemon-reload')).length,
    setProperty: async (unit, line) => {
      await host.run(['/usr/bin/systemctl', 'set-property', '--runtime', unit, line], { touches: 'machine' })
    },
  }
}
