import t from 'tap'
import { sshWords } from '../src/ssh.ts'

void t.test('sshWords() trusts the key of the image only, and reads no settings of a person', async (t) => {
  const words = sshWords(2222)
  t.strictSame(words.slice(0, 2), ['-F', 'none'])
  for (const word of [
    'Port=2222',
    'StrictHostKeyChecking=yes',
    'UserKnownHostsFile=known_hosts',
    'IdentitiesOnly=yes',
  ]) {
    t.ok(words.includes(word), word)
  }
})
