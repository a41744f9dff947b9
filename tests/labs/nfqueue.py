"""A program behind NFQUEUE: binds a queue, and gives verdicts. By the netlink protocol of
include/uapi/linux/netfilter/nfnetlink_queue.h.

Usage: nfqueue.py NUMBER accept|drop|hold [LENGTH], or: nfqueue.py NUMBER gather COUNT
Says "ready" when packets come to it. "hold" leaves them waiting; LENGTH is how many fit. "gather"
accepts COUNT packets at once, in their order, when all of them wait.
"""
import socket
import struct
import sys

number, answer = int(sys.argv[1]), sys.argv[2]
length = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
count = length if answer == "gather" else 1
QUEUE = 3 << 8
PACKET, VERDICT, CONFIG = QUEUE | 0, QUEUE | 1, QUEUE | 2
DROP, ACCEPT = 0, 1


def attribute(kind, value):
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + b"\0" * (-size % 4)


def message(kind, attributes, flags):
    body = struct.pack(">BBH", 0, 0, number) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_NETFILTER
                     if hasattr(socket, "NETLINK_NETFILTER") else 12)
link.bind((0, 0))


def configure(attributes):
    link.send(message(CONFIG, attributes, 5))
    reply = link.recv(65536)
    error = struct.unpack_from("=i", reply, 16)[0]
    if error:
        sys.exit(f"the kernel refuses: {-error}")


configure(attribute(1, struct.pack(">BBH", 1, 0, socket.AF_INET)))
configure(attribute(2, struct.pack(">IB", 0xFFFF, 2)))
configure(attribute(3, struct.pack(">I", length)))
print("ready", flush=True)
waiting = []
while True:
    data = link.recv(65536)
    if struct.unpack_from("=H", data, 4)[0] != PACKET or answer == "hold":
        continue
    # The first attribute holds the packet's number.
    waiting.append(data[24:28])
    if len(waiting) < count:
        continue
    for identifier in waiting:
        code = DROP if answer == "drop" else ACCEPT
        verdict = struct.pack(">I", code) + identifier
        link.send(message(VERDICT, attribute(2, verdict), 1))
    waiting = []
