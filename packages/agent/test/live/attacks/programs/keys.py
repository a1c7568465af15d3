"""Leaves a key in the user keyring, the session keyring and the persistent keyring, a POSIX queue, and System V objects."""
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def check(value, what):
    if value < 0:
        raise OSError(ctypes.get_errno(), what)
    return value
own, user, session = ctypes.c_int(-3), ctypes.c_int(-4), ctypes.c_int(-5)
add_key, keyctl, join, link, get_persistent = 248, 250, 1, 8, 22
# Whoever possesses a keyring may add to it: it must be linked to the session keyring, as pam_keyinit does it.
check(libc.syscall(keyctl, join, None), 'join')
check(libc.syscall(keyctl, link, user, own), 'link')
check(libc.syscall(add_key, b'user', b'left', b'secret', ctypes.c_size_t(6), user), 'add_key')
check(libc.syscall(add_key, b'user', b'left', b'secret', ctypes.c_size_t(6), session), 'add_key')
persistent = libc.syscall(keyctl, get_persistent, ctypes.c_int(-1), own)
if persistent > 0:
    check(libc.syscall(add_key, b'user', b'left', b'secret', ctypes.c_size_t(6), ctypes.c_int(persistent)), 'add_key')
class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ('flags', 'maxmsg', 'msgsize', 'curmsgs')] + [('pad', ctypes.c_long * 4)]
rt = ctypes.CDLL('librt.so.1', use_errno=True)
check(rt.mq_open(f'/left-{os.getuid()}'.encode(), os.O_CREAT | os.O_RDWR, 0o666, ctypes.byref(Attributes(0, 2, 100, 0))), 'mq_open')
for kind in ('-M64', '-Q', '-S2'):
    subprocess.run(['ipcmk', kind], check=True, stdout=subprocess.DEVNULL)
print('left', flush=True)
