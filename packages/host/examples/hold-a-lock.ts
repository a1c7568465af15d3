/** Two writers of one file: the second waits until the first, and what it started, has ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost } from '@puppy/host'

const host = createHost()
const folder = mkdtempSync(join(tmpdir(), 'puppy-example-'))

async function append(name: string): Promise<void> {
  await using _lock = await host.lock(`${folder}/lock`, { purpose: name })
  const text = (await host.read(`${folder}/list`)) ?? ''
  await host.replace(`${folder}/list`, `${text}${name}\n`)
}

await Promise.all(['one', 'two', 'three'].map(append))
console.log(await host.read(`${folder}/list`))
rmSync(folder, { recursive: true })
