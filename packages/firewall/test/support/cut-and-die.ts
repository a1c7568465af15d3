/** Starts a trial on the machine itself of settings that cut off ssh, prints the result and waits to be killed. */
import { createHost } from '@puppy/host'
import { openFirewall } from '../../src/index.ts'
import { settings } from './settings.ts'

const [table = '', folder = '', seconds = ''] = process.argv.slice(2)
const firewall = openFirewall(createHost(), { table, folder })
// Only a user without an sshd may answer from the port of sshd.
const cut = { ...settings, guards: [{ name: 'ssh', port: 22, uids: [4_000_000] }] }
console.log(JSON.stringify(await firewall.trial(cut, { seconds: Number(seconds) })))
setInterval(() => {}, 1000)
