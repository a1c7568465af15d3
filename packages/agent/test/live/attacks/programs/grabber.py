"""Stops every process that gets the uid of this one, and takes its descriptors, so that its pipes never close."""
import os, signal, ctypes
libc = ctypes.CDLL(None, use_errno=True)
pidfd_open, pidfd_getfd = 434, 438
own = os.getuid()
seen, kept = {os.getpid()}, []
print('ready', flush=True)
while True:
    for name in os.listdir('/proc'):
        if not name.isdigit() or int(name) in seen:
            continue
        pid = int(name)
        try:
            if os.stat('/proc/' + name).st_uid != own:
                continue
            os.kill(pid, signal.SIGSTOP)
        except OSError:
            continue
        seen.add(pid)
        pidfd = libc.syscall(pidfd_open, pid, 0)
        for number in (0, 1, 2):
            kept.append(libc.syscall(pidfd_getfd, pidfd, number, 0))
