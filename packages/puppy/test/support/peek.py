"""Prints what this process learns of another tenant: one line for each place, `place: seen` or `place: hidden`.

Arguments: the user, the uid, a port and a secret word of the other tenant. The word is an argument of its server, the name of its files in
/tmp, /var/tmp and /dev/shm, the name of an abstract socket, and a line in its journal.
"""
import glob, os, pathlib, subprocess, sys

user, uid, port, word = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4]


def read(path):
    try:
        return pathlib.Path(path).read_bytes().decode('latin1')
    except OSError:
        return ''


def names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def owner(path):
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def run(*words):
    try:
        done = subprocess.run(words, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.stdout.decode('latin1')
    except (OSError, subprocess.TimeoutExpired):
        return ''


def names_it(text):
    return user in text or f'user-{uid}.slice' in text or f'user@{uid}' in text


# The word is also an argument of this program, and of the shell that started it.
commands = ''.join(read(path) for path in glob.glob('/proc/[0-9]*/cmdline') if owner(path) != os.getuid())
owners = [owner(path) for path in glob.glob('/proc/[0-9]*')]
apart = run('unshare', '--user', '--map-root-user', 'ps', '-eo', 'user:20,args')
others = ''.join(line for line in apart.splitlines() if not line.startswith('root '))
tables = read('/proc/net/tcp') + read('/proc/net/tcp6')
slice = f'/sys/fs/cgroup/user.slice/user-{uid}.slice'
seen = {
    'command lines': word in commands,
    'processes': int(uid) in owners,
    'processes of root': 0 in owners,
    'processes from a user namespace': word in others,
    '/tmp': word in names('/tmp'),
    '/var/tmp': word in names('/var/tmp'),
    '/dev/shm': word in names('/dev/shm'),
    'names in /home': user in names('/home'),
    'who': names_it(run('who')),
    'last': names_it(run('last') + read('/var/log/wtmp') + run('wtmpdb', 'last')),
    'lastlog': names_it(run('lastlog') + run('lastlog2')),
    'loginctl': names_it(run('loginctl', '--no-pager', 'list-sessions') + run('loginctl', '--no-pager', 'list-users')),
    'systemctl, list of units': names_it(run('systemctl', '--no-pager', '--all', 'list-units')),
    'systemctl, processes of a unit': word in run('systemctl', '--no-pager', '--lines=0', 'status', f'user-{uid}.slice'),
    # The own journal has the command line of this program.
    'journalctl': any(line.endswith(f': {word}') for line in run('journalctl', '--no-pager', '-n', '2000').splitlines()),
    'names of sessions in /run/systemd': f'USER={user}' in ''.join(read(p) for p in glob.glob('/run/systemd/sessions/*')),
    'folders in /run/user': uid in names('/run/user'),
    'names of units in /sys/fs/cgroup': os.path.exists(slice),
    'memory in /sys/fs/cgroup': read(f'{slice}/memory.current') != '',
    'ports in /proc/net': f':{int(port):04X} ' in tables,
    'ss': f':{port} ' in run('ss', '-Hltn'),
    'names of abstract sockets': word in read('/proc/net/unix'),
    'owners in /dev/pts': int(uid) in [owner(f'/dev/pts/{name}') for name in names('/dev/pts')],
    'mail and jobs': any(user in ' '.join(names(path)) for path in ('/var/mail', '/var/spool/cron/crontabs', '/var/spool/cron/atjobs')),
    'keys and variables': any(read(f'/etc/puppy/{path}/{user}') != '' for path in ('keys', 'env')),
    'dmesg': run('dmesg') != '',
    'perf': read('/proc/sys/kernel/perf_event_paranoid').strip() in ('-1', '0', '1'),
    'users in /etc/passwd': f'{user}:' in read('/etc/passwd'),
}
for place, is_seen in seen.items():
    print(f'{place}: {"seen" if is_seen else "hidden"}')
