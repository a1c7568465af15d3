import t from 'tap'
import { PartFailed, runPart } from '../../src/commands/part.ts'

void t.test('runPart() resolves when the part has ended, and rejects with its exit code', async (t) => {
  await t.resolves(runPart('help').ended)
  const failed = runPart('nothing')
  const error: unknown = await failed.ended.catch((reason: unknown) => reason)
  t.ok(error instanceof PartFailed && error.exitCode === 64, String(error))
  await t.resolves(failed.end(), 'a part that has ended')
})
