// Plain JavaScript that any Node reads: what is TypeScript beside it begins here, so that an old Node can say what it lacks.
// Node 20 takes a `.ts` file for JavaScript in a folder of CommonJS, and refuses it in one of modules: hence package.json here.
const [major, minor] = process.versions.node.split('.').map(Number)

module.exports = function start(load) {
  if (major > 24 || (major === 24 && minor >= 12)) return load()
  const [, script, ...args] = process.argv
  const words = [require('node:path').relative(require('node:path').dirname(__dirname), script), ...args].join(' ')
  console.error(`This is Node ${process.versions.node}, and our TypeScript needs 24.12 or later as it is.`)
  console.error(`With the Node that comes along: node tools/bootstrap.mjs --run ${words}`)
  process.exitCode = 1
}
