"""Sockets that Node cannot open: python3 sockets.py ROLE PROTOCOL UID ADDRESS PORT

serve:   answers each connection with its uid.
leave:   sends 1 MiB to each connection and closes it at once, so the kernel sends the data for a socket without a process.
connect: prints what the server answered, a second later.
read:    waits half a second, and prints the number of bytes that the server sent.
"""
import os, socket, sys, threading, time

role, protocol, uid, address, port = sys.argv[1:]
number = {"tcp": socket.IPPROTO_TCP, "mptcp": 262}[protocol]
os.setgroups([])
os.setgid(int(uid))
os.setuid(int(uid))
it = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, number)


def answer(visitor):
    if role == "leave":
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        visitor.sendall(b"x" * (1 << 20))
    else:
        visitor.sendall(uid.encode())
        visitor.recv(1)
    visitor.close()


if role in ("serve", "leave"):
    it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    it.bind((address, int(port)))
    it.listen(8)
    print("listening", flush=True)
    while True:
        threading.Thread(target=answer, args=(it.accept()[0],), daemon=True).start()
it.settimeout(3)
if role == "read":
    # Before connect(), so that most of the data waits at the server.
    it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
try:
    it.connect((address, int(port)))
    time.sleep(0.5)
    if role == "read":
        total = 0
        while piece := it.recv(65536):
            total += len(piece)
        print(f"{total} bytes", flush=True)
    else:
        print("answered by " + it.recv(64).decode(), flush=True)
        time.sleep(0.5)
except TimeoutError:
    print("timeout", flush=True)
except OSError as error:
    print(os.strerror(error.errno), flush=True)
