# The attacks of one tenant on another. Prints a line of JSON: each attempt, and `open` or the errno that denied it.
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
it = json.load(sys.stdin)
own, unassigned = int(sys.argv[1]), int(sys.argv[2])
results = {}

def attempt(name, act):
    try:
        act()
        results[name] = 'open'
    except OSError as error:
        results[name] = errno.errorcode.get(error.errno, str(error.errno))

def check(value, bad=-1):
    if value == bad: raise OSError(ctypes.get_errno(), 'refused')

def bind(port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(('127.0.0.1', port))
        one.listen(1)

def connect(family, address):
    with socket.socket(family) as one:
        one.settimeout(10)
        one.connect(address)

def trace():
    check(libc.ptrace(16, it['pid'], 0, 0))
    libc.ptrace(17, it['pid'], 0, 0)

attempt('read a file', lambda: open(it['file']).read())
attempt('write a file', lambda: open(it['file'], 'a').write('x'))
attempt('list a folder', lambda: os.listdir(it['folder']))
attempt('create in a folder', lambda: open(f"{it['folder']}/planted-{os.getpid()}", 'w'))
attempt('stat a file', lambda: os.stat(it['file']))
attempt('read a key', lambda: open(it['key']).read())
attempt('read in /tmp', lambda: open(it['tmp']).read())
attempt('write in /tmp', lambda: open(it['tmp'], 'r+').write('x'))
attempt('posix shared memory', lambda: open(it['shm']).read())
attempt('sysv shared memory', lambda: check(libc.shmat(it['segment'], None, 0), 2**64 - 1))
attempt('unix socket', lambda: connect(socket.AF_UNIX, it['socket']))
attempt('read /proc', lambda: open(f"/proc/{it['pid']}/cmdline").read())
attempt('ptrace', trace)
attempt('signal', lambda: os.kill(it['pid'], 0))
attempt('bind its port', lambda: bind(it['spare']))
attempt('bind an unassigned port', lambda: bind(unassigned))
attempt('connect to its port', lambda: connect(socket.AF_INET, ('127.0.0.1', it['port'])))
attempt('bind my own port', lambda: bind(own))
attempt('bind any port', lambda: bind(0))
context = open('/proc/self/attr/current').read().rstrip('\0')
print(json.dumps({'context': context, 'results': results}))
