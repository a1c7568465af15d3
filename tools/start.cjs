// Plain JavaScript that any Node can run. The TypeScript commands of this folder start here, so that an old Node prints a clear message.
// Node 20 runs a `.ts` file as JavaScript in a CommonJS folder and refuses it in a folder of modules. This is why package.json is here.
const [major, minor] = process.versions.node.split('.').map(Number)

module.exports = function start(load) {
  if (major > 24 || (major === 24 && minor >= 12)) return load()
  const [, script, ...args] = process.argv
  const words = [require('node:path').relative(require('node:path').dirname(__dirname), script), ...args].join(' ')
  console.error(`Cannot run TypeScript with Node ${process.versions.node}: Node 24.12 or later is required.`)
  console.error(`To use the pinned Node of this project, run: node tools/bootstrap.mjs --run ${words}`)
  process.exitCode = 1
}
