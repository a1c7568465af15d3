"""Mounts a FUSE file system for a user, as fusermount3 does, and never answers a request. Runs as root and becomes the user."""
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
path, uid = os.fsencode(sys.argv[1]), int(sys.argv[2])
device = os.open('/dev/fuse', os.O_RDWR)
options = f'fd={device},rootmode=40000,user_id={uid},group_id={uid}'.encode()
if libc.mount(b'attack', path, b'fuse', 6, options) < 0:
    sys.exit(f'mount: {os.strerror(ctypes.get_errno())}')
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
print('ready', flush=True)
time.sleep(100000)
