import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { parseFingerprints, validateKeys, type KeyVerdict } from '../../src/login/validate.ts'
import { someKey } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const host = createHost()
const skip = host.program('ssh-keygen') === undefined && 'ssh-keygen is not installed'
const plain = (verdict: KeyVerdict) => (verdict.valid ? verdict : shown(verdict))

void t.test('validateKeys() returns one verdict for each key, in order', { skip }, async (t) => {
  const verdicts = await validateKeys(host, ['nonsense', `${someKey} one`, someKey.slice(0, -4), `${someKey} two`])
  t.matchOnlyStrict(verdicts.map(plain), [
    { valid: false, code: 'ACCOUNT_KEY_INVALID', message: /form/ },
    { valid: true, type: 'ssh-ed25519', bits: 256, fingerprint: /^SHA256:/ },
    { valid: false, code: 'ACCOUNT_KEY_INVALID', message: /cut off/ },
    { valid: true, type: 'ssh-ed25519', bits: 256, fingerprint: /^SHA256:/ },
  ])
})

void t.test('validateKeys() refuses a key that ssh-keygen does not print', async (t) => {
  const silent = createFakeHost({ programs: { '/usr/bin/ssh-keygen': () => ({ exitCode: 255 }) } })
  t.matchOnlyStrict((await validateKeys(silent, [someKey])).map(plain), [
    { valid: false, code: 'ACCOUNT_KEY_INVALID', message: /ssh-keygen does not accept it/ },
  ])
})

void t.test('validateKeys() runs nothing without a valid key', async (t) => {
  t.strictSame(await validateKeys(createFakeHost(), []), [])
  t.matchOnlyStrict((await validateKeys(createFakeHost(), ['x'])).map(plain), [
    { valid: false, code: 'ACCOUNT_KEY_INVALID', message: /form/ },
  ])
})

void t.test('validateKeys() reports the package of a missing ssh-keygen', async (t) => {
  await t.rejects(validateKeys(createFakeHost(), [someKey]), {
    code: 'ACCOUNT_PROGRAM_MISSING',
    message: /openssh-client/,
  })
})

void t.test('parseFingerprints() accepts any text', (t) => {
  const print = `SHA256:${'a'.repeat(43)}`
  t.strictSame([...parseFingerprints(`256 ${print} no comment (ED25519)\nnoise\n`)], [[print, 256]])
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseFingerprints(text).size === 0))
  t.end()
})
