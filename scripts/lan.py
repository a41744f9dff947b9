"""The two hosts of the demo, one call each: a name server, a question to it, a tagged frame.

Owns no network: scripts/traffic runs it inside the namespaces. Needs only Python itself.

    lan.py answer ADDRESS                   answers DNS on UDP port 53 until it is ended
    lan.py ask ADDRESS NAME TYPE [TYPE...]  asks one question for each type, and waits for each
    lan.py tagged INTERFACE DEST SOURCE     sends three frames with VLAN tags
"""

import socket
import struct
import sys

# What the name server knows: type, and the data of the answer.
TYPES = {"A": 1, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28}
ZONE = {
    ("www.example.org", 1): socket.inet_aton("192.0.2.2"),
    ("www.example.org", 28): socket.inet_pton(socket.AF_INET6, "2001:db8::2"),
    ("example.org", 15): b"\x00\x0a" + b"\x04mail\xc0\x0c",
    ("example.org", 16): b"\x0bhello there",
}
NO_ERROR, NO_SUCH_NAME = 0, 3


def encode_name(name):
    """A domain name as DNS writes it: a length before each label, and a zero."""
    labels = name.strip(".").split(".")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\x00"


def decode_question(message):
    """The name, the type and the bytes of the first question (RFC 1035, section 4.1.2)."""
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += 1 + message[at]
    kind, _ = struct.unpack_from("!HH", message, at + 1)
    return ".".join(labels), kind, message[12 : at + 5]


def response(message):
    """The response to a query: one answer, none, or that there is no such name."""
    (number,) = struct.unpack_from("!H", message)
    name, kind, question = decode_question(message)
    data = ZONE.get((name, kind))
    known = any(name == other for other, _ in ZONE)
    flags = 0x8580 | (NO_ERROR if known else NO_SUCH_NAME)
    header = struct.pack("!HHHHHH", number, flags, 1, 1 if data else 0, 0, 0)
    if not data:
        return header + question
    # The name of the answer points at the question, 12 bytes into the message.
    record = struct.pack("!HHHIH", 0xC00C, kind, 1, 300, len(data)) + data
    return header + question + record


def answer(address):
    """Answers until the process is ended."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        message, peer = server.recvfrom(4096)
        server.sendto(response(message), peer)


def ask(address, name, kinds):
    """Asks for each type; fails if no answer comes within two seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(2)
    client.connect((address, 53))
    for number, kind in enumerate(kinds, start=0x1001):
        header = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0)
        client.send(header + encode_name(name) + struct.pack("!HH", TYPES[kind], 1))
        reply = client.recv(4096)
        if struct.unpack_from("!H", reply) != (number,):
            sys.exit(f"lan.py: the answer to {name} {kind} has another number")


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\x00"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(source, dest, number):
    """An IPv4 packet with a UDP datagram to the discard port, without a UDP checksum."""
    text = f"frame {number} with a tag".encode()
    udp = struct.pack("!HHHH", 40000 + number, 9, 8 + len(text), 0) + text
    addresses = socket.inet_aton(source) + socket.inet_aton(dest)
    fields = (0x45, 0, 20 + len(udp), number, 0, 64, 17, 0)
    header = struct.pack("!BBHHHBBH", *fields) + addresses
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp


def tagged(interface, dest, source):
    """Sends a frame with an 802.1Q tag, one with a priority too, and one with two tags."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((interface, 0))
    own = link.getsockname()[4]
    tags = [
        struct.pack("!HH", 0x8100, 42),
        struct.pack("!HH", 0x8100, 5 << 13 | 42),
        struct.pack("!HHHH", 0x88A8, 100, 0x8100, 42),
    ]
    for number, tag in enumerate(tags, start=1):
        ethernet = b"\xff" * 6 + own + tag + b"\x08\x00"
        link.send(ethernet + datagram(source, dest, number))


def main():
    """Runs the command that the arguments name."""
    match sys.argv[1:]:
        case ["answer", address]:
            answer(address)
        case ["ask", address, name, *kinds] if kinds and set(kinds) <= set(TYPES):
            ask(address, name, kinds)
        case ["tagged", interface, dest, source]:
            tagged(interface, dest, source)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
