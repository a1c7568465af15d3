import t from 'tap'
import { sshWords } from '../src/ssh.ts'

void t.test('sshWords() accepts only the host key of the image and reads no ssh configuration', async (t) => {
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
