"""Sockets that send through another socket, which has no file: python3 kernel-sockets.py ROLE UID ADDRESS PORT

smc-connect:  connects by AF_SMC, says hello, and prints the answer. Does not end the connection before it has printed.
smc-serve:    listens by AF_SMC, and prints what a visitor sends.
rxrpc-send:   sends a call of AF_RXRPC to a UDP port.
rxrpc-bind:   binds AF_RXRPC to the UDP port, and sends a call from it to port 7 of the address.

Python knows neither family, so the calls go to the C library.
"""
import ctypes, os, socket, struct, sys, time

role, uid, address, port = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        print(f"{what}: {os.strerror(error)}", flush=True)
        sys.exit(0)
    return result


def internet(host, number):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", number) + socket.inet_aton(host) + bytes(8)


def rxrpc(host, number, service):
    # struct sockaddr_rxrpc: family 33, service, the type and the length of the transport's address, and 28 bytes for it.
    return struct.pack("=HHHH", 33, service, socket.SOCK_DGRAM, 16) + internet(host, number) + bytes(12)


os.setgroups([])
os.setgid(int(uid))
os.setuid(int(uid))
if role.startswith("smc"):
    fd = check(libc.socket(43, socket.SOCK_STREAM, 0), "socket")
    # struct timeval, for SO_RCVTIMEO and SO_SNDTIMEO.
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        limit = struct.pack("@ll", 4, 0)
        check(libc.setsockopt(fd, socket.SOL_SOCKET, option, limit, len(limit)), "setsockopt")
    name = internet(address, int(port))
    if role == "smc-connect":
        check(libc.connect(fd, name, len(name)), "connect")
        os.write(fd, b"hello")
        print("answered by " + os.read(fd, 64).decode(), flush=True)
    else:
        check(libc.bind(fd, name, len(name)), "bind")
        check(libc.listen(fd, 8), "listen")
        print("listening", flush=True)
        visitor = check(libc.accept(fd, None, None), "accept")
        print("heard " + os.read(visitor, 64).decode(), flush=True)
    time.sleep(0.2)
    sys.exit(0)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.POINTER(Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_char_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


fd = check(libc.socket(33, socket.SOCK_DGRAM, socket.AF_INET), "socket")
own = rxrpc("0.0.0.0", int(port) if role == "rxrpc-bind" else 0, 0)
check(libc.bind(fd, own, len(own)), "bind")
peer = rxrpc(address, 7 if role == "rxrpc-bind" else int(port), 1)
text = b"hello" * 20
vector = Vector(text, len(text))
# struct cmsghdr of level SOL_RXRPC (272) and type RXRPC_USER_CALL_ID (1), with an unsigned long.
control = struct.pack("@Nii", 16 + 8, 272, 1) + struct.pack("@L", 1)
message = Message(peer, len(peer), ctypes.pointer(vector), 1, control, len(control), 0)
check(libc.sendmsg(fd, ctypes.byref(message), 0), "sendmsg")
time.sleep(1)
print("sent", flush=True)
