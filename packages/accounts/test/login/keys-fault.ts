import t from 'tap'
import { keyLimits, keysFault } from '../../src/login/keys-fault.ts'

void t.test('keysFault() accepts keys up to the limits', async (t) => {
  t.equal(keysFault([]), undefined)
  t.equal(keysFault(Array.from({ length: keyLimits.keys }, () => 'a')), undefined)
  t.equal(keysFault(['é'.repeat(keyLimits.sum / 2)]), undefined)
})

void t.test('keysFault() refuses what is not a list of texts, and what is above the limits', async (t) => {
  for (const [keys, fault] of [
    [null, 'are not a list'],
    ['a', 'are not a list'],
    [{ length: 1, 0: 'a' }, 'are not a list'],
    [['a', null], 'contain something that is not a text, at position 2'],
    [[['a']], 'contain something that is not a text, at position 1'],
    [Array.from({ length: keyLimits.keys + 1 }, () => 'a'), 'are more than 100'],
    [['é'.repeat(keyLimits.sum / 2), 'a'], 'have together more than 163840 bytes'],
  ] as const)
    t.equal(keysFault(keys), fault)
})
