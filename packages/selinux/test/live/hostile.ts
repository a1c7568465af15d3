import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createHost } from '@puppy/host'
import { firstOutput } from '@puppy/host/testing'
import t from 'tap'
import { renderContext } from '../../src/context.ts'
import { readContexts, relabel, SelinuxError } from '../../src/index.ts'
import { pairAt } from '../../src/level.ts'
import { whyNot } from '../support/tenants.ts'

t.setTimeout(900_000)
const host = createHost()
const skip = await whyNot(host)
const uid = 24_100
const home = '/home/sxl-hostile'
const level = pairAt(600)
// Every policy has this user, and it may have this level. So the policy does not have to change.
const spec = { path: home, user: 'unconfined_u', level, uid }
const run = async (program: string, ...args: readonly string[]) =>
  (await host.run([host.program(program) ?? program, ...args], { touches: 'machine', timeout: 120_000 })).stdout
const contextsOf = async (...paths: readonly string[]) =>
  (await readContexts(host, paths)).map(({ path, context }) => `${path} ${context && renderContext(context)}`)
const typesOf = async (...paths: readonly string[]) =>
  (await readContexts(host, paths)).map(({ context }) => context?.type)

/** Folders of root that a hostile tenant wants to relabel, on the file system of homes and on another one. */
const decoys = ['/home/sxl-decoy', '/srv/sxl-decoy']
const files = Array.from({ length: 300 }, (_, n) => `f${n}`)

async function plant(folder: string, owner: number): Promise<void> {
  const own = { uid: owner, gid: owner }
  await host.makeFolder(folder, { mode: 0o755, ...own })
  await host.replaceMany(files.map((name) => ({ path: `${folder}/${name}`, text: 'x', mode: 0o644, ...own })))
}

void t.test('relabel() of a hostile tree changes only the tree', { skip }, async (t) => {
  await run('rm', '-rf', '--', home, ...decoys)
  t.teardown(() => run('rm', '-rf', '--', home, ...decoys))
  await host.makeFolder(home, { mode: 0o755, uid, gid: uid })
  for (const decoy of decoys) {
    await plant(decoy, 0)
    await run('chcon', '-R', '-t', 'etc_t', decoy)
  }
  const system = ['/etc', '/etc/passwd', '/etc/shadow', ...decoys, ...decoys.map((decoy) => `${decoy}/f7`)]
  const before = await contextsOf(...system)

  await t.test('links, hard links, odd names, deep folders, other file systems', async (t) => {
    await run('ln', '-s', '/etc/shadow', `${home}/shadow`)
    await run('ln', '-s', '/etc', `${home}/etc`)
    await run('ln', `${decoys[0]}/f7`, `${home}/second-name`)
    await run('mkfifo', `${home}/fifo`)
    const odd = [
      '-r',
      '--reference=x',
      'a\nb',
      ' ',
      '{}',
      ';',
      '+',
      '*',
      "'",
      '"',
      '\\',
      'é',
      '\u0007',
      'x'.repeat(255),
    ]
    for (const name of odd) await host.replace(`${home}/${name}`, 'x', { mode: 0o600, uid, gid: uid })
    // Deeper than the maximum length of a path. Each folder is entered by its own name.
    const dig = 'import os,sys\nos.chdir(sys.argv[1])\nfor _ in range(30): os.mkdir("d" * 200); os.chdir("d" * 200)'
    const deep = 'd'.repeat(200)
    await run('setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '/usr/bin/python3', '-c', dig, home)
    await host.makeFolder(`${home}/mounted`, { uid, gid: uid })
    await run('mount', '-t', 'tmpfs', 'sxl', `${home}/mounted`)
    t.teardown(async () => {
      await run('umount', `${home}/mounted`)
      await run('rm', `${home}/second-name`)
    })
    await host.replace(`${home}/mounted/inside`, 'x', { uid, gid: uid })
    const inside = await contextsOf(`${home}/mounted/inside`)

    t.strictSame(await relabel(host, spec), { changed: true })
    t.strictSame(await relabel(host, spec), { changed: false }, 'the whole tree is relabelled')
    t.strictSame(await contextsOf(...system), before, 'no target of a link is relabelled')
    t.strictSame(await contextsOf(`${home}/mounted/inside`), inside, 'no other file system is relabelled')
    const own = odd
      .map((name) => `${home}/${name}`)
      .concat(home, `${home}/fifo`, `${home}/shadow`, `${home}/${deep}/${deep}`)
    for (const { path, context } of await readContexts(host, own))
      t.match(context, { user: 'unconfined_u', range: { low: level, high: level } }, JSON.stringify(path))
  })

  for (const [at, decoy] of decoys.entries()) {
    await t.test(`a folder that repeatedly becomes a link to ${decoy}`, async (t) => {
      const folder = `${home}/swap${at}`
      await plant(folder, uid)
      const script = fileURLToPath(new URL('../support/swap.py', import.meta.url))
      const swap = spawn('/usr/bin/python3', [script, folder, decoy], {
        uid,
        gid: uid,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      t.teardown(() => swap.kill('SIGKILL'))
      await firstOutput(swap)
      let refused = 0
      for (let turn = 0; turn < 7; turn += 1) {
        await run('chcon', '-l', 's0', home)
        // A folder that is swapped during the search may keep its context. relabel() reports it, and the next pass continues.
        await relabel(host, spec, { types: true }).catch((error: unknown) => {
          if (!(error instanceof SelinuxError) || error.code !== 'SELINUX_REFUSED') throw error
          refused += 1
        })
      }
      t.equal(swap.exitCode, null, 'the program swapped during all passes')
      t.comment(`refused ${refused} of 7`)
      const types = await typesOf(decoy, ...files.map((name) => `${decoy}/${name}`))
      t.strictSame(new Set(types), new Set(['etc_t']), 'no file of root has another type')
      t.strictSame(await contextsOf(...system), before)
    })
  }
})
