"""Listens on a port and sends the socket to a neighbour, who waits at a Unix socket."""
import array, socket, sys, time
listening = socket.create_server(('127.0.0.1', int(sys.argv[1])))
with socket.socket(socket.AF_UNIX) as neighbour:
    neighbour.connect(sys.argv[2])
    socket.send_fds(neighbour, [b'x'], [listening.fileno()])
    print('gave', flush=True)
    time.sleep(100000)
