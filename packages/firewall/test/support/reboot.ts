/** The common part of the tests before and after a reboot. */
import type { Test } from 'tap'
import { createHost } from '@puppy/host'
import { openFirewall, type Traffic } from '../../src/index.ts'
import { cableOf, createLab, joinMachine, startActor } from './lab.ts'
import { bob } from './settings.ts'

export const paths = {
  state: '/var/tmp/firewall-live-reboot.json',
  ruleset: '/etc/firewall-live.json',
  unit: '/etc/systemd/system/firewall-live.service',
} as const

/** The state that is kept across the reboot. */
export interface Kept {
  readonly total: Traffic
  /** IP bytes that the cable has counted so far. */
  readonly cable: { readonly sent: number; readonly received: number }
}

export const firewall = openFirewall(createHost(), { table: 'puppy_live' })

/** Returns a function that transfers 4 MB in each direction as a tenant, and returns the bytes that the cable counted. */
export async function openTransfers(t: Test): Promise<() => Promise<Kept['cable']>> {
  const there = await createLab(t)
  const here = await joinMachine(t, there)
  const [server, byBob] = [await there.actor(0), await startActor(t, bob)]
  await server.serve('::', 80, { download: 4_000_000 })
  await server.serve('0.0.0.0', 81, { sink: true })
  return async () => {
    const before = await cableOf(here)
    t.equal(await byBob.connect('fd77::2', 80, { wait: 20_000 }), 'answered by 4000000 bytes')
    t.equal(await byBob.connect('10.77.0.2', 81, { upload: 4_000_000, wait: 20_000 }), 'answered by 0')
    const after = await cableOf(here)
    return { sent: after.sent - before.sent, received: after.received - before.received }
  }
}

export async function readBob() {
  const reading = (await firewall.traffic()).find((one) => one.uid === bob)
  if (reading === undefined) throw new Error('no counter of the tenant')
  return reading
}

/** Checks that the total is within 2 % of the cable. */
export function check(t: Test, what: string, { total, cable }: Kept): void {
  for (const [way, counted, real] of [
    ['sent', total.sentBytes, cable.sent],
    ['received', total.receivedBytes, cable.received],
  ] as const) {
    const off = Math.abs(counted - real) / real
    t.ok(off < 0.02, `${what}: ${way} ${counted}, over the cable ${real}: ${(off * 100).toFixed(2)} % off`)
  }
}
