/**
 * What a tenant learns of its neighbour by ssh, cron, at and a user service, compared with a process that has no view; and that ordinary
 * work is possible with a view.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { fileURLToPath } from 'node:url'
import { smallPlan } from '@puppy/state/testing'
import t from 'tap'
import {
  api,
  cannotStart,
  createKey,
  puppyWords,
  purge,
  run,
  start,
  tenantOf,
  type Tenant,
} from '../../support/live.ts'
import { eventually } from '../../support/puppy.ts'

t.setTimeout(2_400_000)

const peek = '/usr/local/lib/puppy-peek.py'
const word = 'fig-secret-word'
/** Places that a view hides in every session. */
const closed = [
  'command lines',
  'processes',
  'processes of root',
  'processes from a user namespace',
  '/tmp',
  '/var/tmp',
  '/dev/shm',
  'names in /home',
  'loginctl',
  'systemctl, list of units',
  'systemctl, processes of a unit',
  'names of sessions in /run/systemd',
  'journalctl',
  'mail and jobs',
  'keys and variables',
  'dmesg',
  'perf',
]

type Seen = Readonly<Record<string, string>>

function parse(output: string): Seen {
  const lines = output.split('\n').filter((line) => /: (seen|hidden)$/.test(line))
  return Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]))
}

void t.test('a tenant with a view learns little of its neighbour', { skip: cannotStart }, async (t) => {
  const keys = mkdtempSync('/root/.view-')
  t.teardown(async () => {
    await purge()
    rmSync(keys, { recursive: true, force: true })
    rmSync(peek, { force: true })
  })
  if (process.env['TESTBED_GUEST'] !== undefined) await purge()
  copyFileSync(fileURLToPath(new URL('../../support/peek.py', import.meta.url)), peek)
  chmodSync(peek, 0o644)
  const { key, login } = await createKey(keys)
  await start(t)
  t.match(await api('PUT', '/plans/small', { ...smallPlan, disk: { bytes: 24 * 2 ** 20 } }), { status: 201 })
  const create = async (name: string): Promise<Tenant> => {
    t.match(await api('PUT', `/accounts/${name}`, { plan: 'small', sshKeys: [key] }), { status: 201 })
    return tenantOf((await api('GET', `/accounts/${name}`)).body)
  }
  const [fig, nosy] = [await create('fig'), await create('nosy')]
  await eventually(
    'the view is installed',
    async () => ((await api('GET', '/accounts/fig')).body['missing'] as string[]).length === 0 || undefined,
    240,
  )

  // The neighbour: a server, files, a socket, a line in the journal, a job, a session with a terminal.
  const server = `import socket, sys, time
tcp = socket.create_server(("127.0.0.1", int(sys.argv[1])))
unix = socket.socket(socket.AF_UNIX); unix.bind("\\0" + sys.argv[2]); unix.listen()
time.sleep(100000)`
  const leave = [
    `cat > server.py <<'END'\n${server}\nEND`,
    `systemd-run --user --quiet python3 server.py ${fig.ports[0]} ${word}`,
    `for folder in /tmp /var/tmp /dev/shm; do echo x > $folder/${word}; chmod 777 $folder/${word}; done`,
    `logger ${word}`,
    `echo '0 0 1 1 * true' | crontab -`,
    'chmod 777 ~',
  ].join('\n')
  t.match(await login(fig, leave), { code: 0 })
  // A terminal, because who(1) and last(1) show only sessions that have one.
  const ssh = login(fig, 'tty > terminal; sleep 400', '-tt')
  await eventually('the session has a terminal', async () => existsSync(`${fig.home}/terminal`) || undefined, 60)

  const line = `python3 ${peek} ${fig.user} ${fig.uid} ${fig.ports[0]} ${word}`
  const results: Record<string, Seen> = {}
  const words = ['--reuid', `${nosy.uid}`, '--regid', `${nosy.uid}`, '--clear-groups', 'sh', '-c', line]
  results['no view'] = parse((await run('setpriv', words)).output)
  results['ssh'] = parse((await login(nosy, line)).output)
  results['user service'] = parse((await login(nosy, `systemd-run --user --wait --pipe --quiet ${line}`)).output)
  const show = () => {
    const ways = Object.keys(results)
    t.comment(`| place | ${ways.join(' | ')} |`)
    for (const place of Object.keys(results['no view'] ?? {}))
      t.comment(`| ${place} | ${ways.map((way) => results[way]?.[place]).join(' | ')} |`)
  }
  show()
  const read = (file: string) =>
    existsSync(`${nosy.home}/${file}`) ? readFileSync(`${nosy.home}/${file}`, 'utf8') : ''
  const byFile = async (file: string) =>
    parse(
      await eventually(`${file} is there`, async () => (read(file).includes('passwd: ') ? read(file) : undefined), 240),
    )
  t.match(await login(nosy, `echo '${line} > ~/at.new; mv ~/at.new ~/at.txt' | at now`), { code: 0 })
  results['at'] = await byFile('at.txt')
  t.match(await login(nosy, `echo '* * * * * ${line} > cron.new; mv cron.new cron.txt' | crontab -`), { code: 0 })
  results['cron'] = await byFile('cron.txt')
  await login(nosy, 'crontab -r')

  show()
  const ways = Object.keys(results)
  for (const way of ways.filter((one) => one !== 'no view'))
    for (const place of closed) t.equal(results[way]?.[place], 'hidden', `${place}, by ${way}`)
  t.equal(results['no view']?.['command lines'], 'seen', 'without a view the same program sees it')

  await t.test('the quota of a tenant limits its temporary folders', async (t) => {
    for (const folder of ['/tmp', '/var/tmp', '/dev/shm'])
      t.match(await login(nosy, `dd if=/dev/zero of=${folder}/big bs=64k count=600 conv=fsync; rm ${folder}/big`), {
        output: 'Disk quota exceeded',
      })
    t.match(await login(nosy, 'echo kept > /tmp/kept; systemd-run --user --wait --pipe --quiet cat /tmp/kept'), {
      output: /^kept$/m,
    })
    t.notOk(existsSync('/tmp/kept'), 'the shared folder is not used')
    const uncovered = await login(
      nosy,
      "unshare -Urm sh -c 'umount /tmp; umount -l /tmp; umount /proc; ls /tmp; ps -e'",
    )
    t.match(uncovered.output, /^kept$|^unshare: /m, 'a mount namespace of its own uncovers nothing, or is denied')
    t.notMatch(uncovered.output, 'systemd-journal')
  })

  await t.test('ssh creates the private folders when the manager of the user began without them', async (t) => {
    for (const name of ['tmp', 'var-tmp', 'shm']) rmSync(`/home/.temporary/${name}/${nosy.user}`, { recursive: true })
    await login(nosy, 'for folder in /tmp /var/tmp /dev/shm; do echo x > $folder/made-by-ssh; done')
    for (const name of ['tmp', 'var-tmp', 'shm'])
      t.ok(existsSync(`/home/.temporary/${name}/${nosy.user}/made-by-ssh`), name)
    // The manager still has the folders that were removed.
    await run('loginctl', ['terminate-user', nosy.user])
    t.match(await login(nosy, 'systemd-run --user --wait --pipe --quiet ls /tmp'), { output: 'made-by-ssh' })
  })

  await t.test('ordinary work', async (t) => {
    writeFileSync(
      `${keys}/app.mjs`,
      "import { createServer } from 'node:http'\ncreateServer((_, r) => r.end('from node')).listen(process.env.PORT, '127.0.0.1')\n",
    )
    const shell = `ssh -F none -i ${keys}/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes`
    t.match(await run('rsync', ['-e', shell, `${keys}/app.mjs`, `${nosy.user}@127.0.0.1:app.mjs`]), { code: 0 })
    // The Node of the checkout is on a disk without contexts. An operator installs it where programs are.
    const node = '/usr/local/bin/node'
    t.teardown(() => rmSync(node))
    copyFileSync(process.execPath, node)
    chmodSync(node, 0o755)
    if (existsSync('/etc/selinux/config')) await run('restorecon', [node])
    // A program in the home, as a version manager installs it, is also a program of the tenant.
    const own = await login(
      nosy,
      'cp /usr/bin/id my-id; for more in no yes; do systemd-run --user --wait --pipe --quiet -p NoNewPrivileges=$more ~/my-id -Z; done; id -Z',
    )
    const [service, hardened, session] = own.output.trim().split('\n')
    t.equal(service, session, 'a service has the context of a session')
    t.equal(hardened, session, 'and so has one that can gain no privileges')
    const serve = `systemd-run --user --quiet --unit app ${node} app.mjs; for turn in $(seq 60); do curl -s http://127.0.0.1:$PORT/ && break; sleep 1; done`
    t.match(await login(nosy, serve), { output: 'from node' })
    t.match(await login(nosy, 'systemctl --user is-active app; systemctl --user stop app; systemctl --user --failed'), {
      output: /^active\n(?!.*app\.service)/s,
    })
    t.match(
      await login(nosy, 'ps -u $USER -o args | grep -c "^ps"; pgrep -u $USER -c systemd; id -un; df -h ~ | tail -1'),
      {
        code: 0,
        output: nosy.user,
      },
    )
    t.match(await login(nosy, 'cd $(mktemp -d) && git init -q . && echo x > a && git add a && git status --short'), {
      output: /A {2}a/,
    })
    t.match(await login(nosy, 'python3 -c "import multiprocessing as m; print(m.Pool(2).map(abs, [-1]))"'), {
      output: '[1]',
    })
  })

  await t.test(
    'doctor reports a process without a view, and users outside the group keep the shared folders',
    async (t) => {
      const doctor = async () => (await run(process.execPath, puppyWords('doctor'))).output
      t.match(await doctor(), /^ok {5}every process of a tenant has its own view$/m)
      const unit = ['--quiet', '--collect', '--unit', 'test-wide', '--uid', nosy.user, 'sleep', '600']
      t.match(await run('systemd-run', unit), { code: 0 })
      t.teardown(() => run('systemctl', ['stop', 'test-wide']))
      t.match(
        await doctor(),
        new RegExp(`^NOT OK process sleep \\(pid \\d+\\) of ${nosy.user}: it sees /tmp, .*/proc`, 'm'),
      )
      const person = ['-l', 'nobody', '-s', '/bin/sh', '-c', 'ls /tmp']
      writeFileSync('/tmp/everyone', '')
      t.teardown(() => rmSync('/tmp/everyone'))
      t.match(await run('su', person), { output: 'everyone' })
      t.match(await run('loginctl', ['list-users']), { code: 0 }, 'logind still works after su')
    },
  )

  await t.test('a login works when the view cannot be set up', async (t) => {
    await login(nosy, 'loginctl terminate-user $USER')
    await run('loginctl', ['terminate-user', nosy.user])
    await run('mv', ['/home/.temporary', '/home/.temporary-away'])
    t.match(await login(nosy, 'id -un'), { output: nosy.user })
    await run('rm', ['-rf', '/home/.temporary'])
    await run('mv', ['/home/.temporary-away', '/home/.temporary'])
  })

  await t.test('a purge removes the view', async (t) => {
    await run('loginctl', ['terminate-user', fig.user])
    await ssh
    t.match(await run(process.execPath, puppyWords('down', '--purge')), { code: 0 })
    for (const path of [
      '/home/.temporary',
      '/usr/libexec/puppy',
      '/usr/share/pam-configs/puppy-view',
      '/etc/security/namespace.d/puppy-view.conf',
      '/etc/tmpfiles.d/puppy-view.conf',
      '/etc/dbus-1/system.d/puppy-view.conf',
    ])
      t.notOk(existsSync(path), path)
    t.equal(statSync('/home').mode & 0o7777, 0o755)
    t.notMatch(readFileSync('/etc/pam.d/common-session', 'utf8'), 'pam_namespace')
  })
})
