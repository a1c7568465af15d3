/** Starts a trial that is never confirmed, prints the result and waits to be killed. */
import { createHost, type Host } from '@puppy/host'
import { openFirewall } from '../../src/index.ts'
import { settings } from './settings.ts'

const [netns = '', folder = ''] = process.argv.slice(2)
const real = createHost()
const host: Host = {
  ...real,
  program: (name) =>
    name.startsWith('systemd-run') || name === 'systemctl' ? `${folder}/${name}` : real.program(name),
  status: (path) => real.status(path === '/run/systemd/system' ? '/' : path),
}
const firewall = openFirewall(host, { netns, folder: `${folder}/run` })
const tried = await firewall.trial({ ...settings, callers: [1] }, { seconds: 2 })
console.log(JSON.stringify(tried))
setInterval(() => {}, 1000)
