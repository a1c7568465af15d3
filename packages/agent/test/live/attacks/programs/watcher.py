"""Watches a folder with inotify, says `ready`, and prints the name of everything that is created in it."""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
queue = libc.inotify_init()
if libc.inotify_add_watch(queue, sys.argv[1].encode(), 0x100 | 0x80) < 0:
    sys.exit(f'inotify_add_watch: {os.strerror(ctypes.get_errno())}')
print('ready', flush=True)
while True:
    print('saw', os.read(queue, 4096)[16:].split(b'\0', 1)[0].decode(), flush=True)
