"""Capture files as pcap-savefile(5) has them, and the packets that a test wants in one."""

import collections
import ipaddress
import struct

ETHERNET, SLL2 = 1, 276

Packet = collections.namedtuple("Packet", "data size")  # what was kept, and the size that it had


def read(octets):
    """(link type, packets) of a file, which must end behind a packet."""
    magic, major, minor, _, _, _, link_type = struct.unpack("=IHHiIII", octets[:24])
    if (magic, major, minor) != (0xA1B2C3D4, 2, 4):
        raise ValueError(f"no capture file: {octets[:24].hex()}")
    packets, at = [], 24
    while at < len(octets):
        _, _, kept, size = struct.unpack("=IIII", octets[at:at + 16])
        data = octets[at + 16:at + 16 + kept]
        if len(data) != kept:
            raise ValueError(f"the file ends within packet {len(packets)}")
        packets.append(Packet(data, size))
        at += 16 + kept
    return link_type, packets


def write(path, frames, link_type=ETHERNET):
    """`frames`: octets, or (octets, size) of those that were cut."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type))
        for number, frame in enumerate(frames):
            data, size = frame if isinstance(frame, tuple) else (frame, len(frame))
            file.write(struct.pack("=IIII", 1_700_000_000 + number, 0, len(data), size) + data)


def udp_frame(payload, port, source="10.1.0.1", destination="10.1.0.2"):
    """Ethernet, IPv4 and UDP around it; without checksums, which capture tools do not check."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0) + \
        ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return bytes.fromhex("020000000002020000000001") + b"\x08\x00" + ip + udp
