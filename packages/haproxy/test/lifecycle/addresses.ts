import t from 'tap'
import { findBusy, findSilent } from '../../src/lifecycle/addresses.ts'
import { freePort } from '@puppy/host/testing'
import { tenant } from '../support/proxy.ts'

void t.test('findBusy() returns the addresses that a process listens on', async (t) => {
  const { port } = await tenant(t)
  const free = await freePort()
  t.strictSame(await findBusy([`127.0.0.1:${free}`, `127.0.0.1:${port}`, 'nonsense']), [`127.0.0.1:${port}`])
})

void t.test('findSilent() returns the addresses that no process listens on', async (t) => {
  const { port } = await tenant(t)
  const free = await freePort()
  t.strictSame(await findSilent([`127.0.0.1:${free}`, `127.0.0.1:${port}`, 'nonsense']), [`127.0.0.1:${free}`])
})
