# A tenant whose file modes open everything to all users. Writes the paths and ports to a file, then waits.
import ctypes, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
port, spare = int(sys.argv[1]), int(sys.argv[2])
os.umask(0)
home, name = os.path.expanduser('~'), os.environ['USER']
os.chmod(home, 0o777)
os.makedirs(f'{home}/open', exist_ok=True)
paths = {'file': f'{home}/open/file', 'key': f'{home}/open/key', 'tmp': f'/tmp/{name}-file', 'shm': f'/dev/shm/{name}-shm'}
for path in paths.values():
    open(path, 'w').write('secret')
socket_path = f'/tmp/{name}-socket'
if os.path.exists(socket_path): os.unlink(socket_path)
unix = socket.socket(socket.AF_UNIX)
unix.bind(socket_path)
unix.listen(50)
tcp = socket.socket()
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(('127.0.0.1', port))
tcp.listen(50)
segment = libc.shmget(0, 4096, 0o1666)
with open(f'/tmp/{name}-facts.part', 'w') as facts:
    json.dump({**paths, 'folder': f'{home}/open', 'socket': socket_path, 'port': port, 'spare': spare, 'segment': segment, 'pid': os.getpid()}, facts)
os.rename(f'/tmp/{name}-facts.part', f'/tmp/{name}-facts')
import time
time.sleep(900)
