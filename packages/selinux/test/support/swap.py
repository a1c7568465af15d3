# A tenant that replaces a folder with a link to another place and back, as fast as possible, while the folder is relabelled.
# Prints `ready` and continues until it is killed.
import ctypes, os, random, sys, time
libc = ctypes.CDLL(None, use_errno=True)
folder, target = os.fsencode(sys.argv[1]), sys.argv[2]
AT_FDCWD, RENAME_EXCHANGE = -100, 2
link = folder + b'-link'
if not os.path.lexists(link): os.symlink(target, link)
print('ready', flush=True)
while True:
    if libc.renameat2(AT_FDCWD, folder, AT_FDCWD, link, RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), 'renameat2')
    # Long enough for a program that works by paths to check one of them and to act on the other.
    time.sleep(random.random() / 250)
