#!/usr/bin/env python3
"""Runs inside a client's namespace, beside nothing else: asks the guest again and again and writes down what it sees.

    probe_client.py PERIOD ping ADDRESS FILE          an ICMP or ICMPv6 echo request every PERIOD ms
    probe_client.py PERIOD tcp ADDRESS PORT FILE      a numbered line every PERIOD ms on one connection; each echo is
                                                      checked

FILE gets a line for each event: "s NUMBER NS" sent, "r NUMBER NS" received, "x REASON" the connection or its data
broke, "d NUMBER" drained: everything up to NUMBER came back. Times are CLOCK_REALTIME in ns. SIGTERM ends it; a
tcp probe then stops sending and waits for the last echoes.
"""

import os
import select
import signal
import socket
import struct
import sys
import time

DRAIN_S = 10.0
ICMP_ECHO, ICMP_REPLY = 8, 0
ICMP6_ECHO, ICMP6_REPLY = 128, 129
ICMP6_FILTER = 1  # netinet/icmp6.h; a set bit keeps that type away
# Known to the capture test, which looks for it on the underlay.
PATTERN = b"rove-demo-payload-0123456789-abcdefghijklmnopqrstuvwxyz"

stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Echo:
    """ICMP, or ICMPv6 if the address is of IPv6."""

    def __init__(self, address):
        self._address, self._version6 = address, ":" in address
        self._identifier = os.getpid() & 0xFFFF
        if self._version6:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            blocked = bytearray(b"\xff" * 32)
            struct.pack_into("=I", blocked, ICMP6_REPLY // 32 * 4, 0xFFFFFFFF & ~(1 << ICMP6_REPLY % 32))
            self.socket.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, bytes(blocked))
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.setblocking(False)

    def send(self, number):
        body = struct.pack("!Q", number) + PATTERN
        body += b"." * (-len(body) % 2)
        kind = ICMP6_ECHO if self._version6 else ICMP_ECHO
        fields = (self._identifier, number & 0xFFFF)
        # The kernel fills in the checksum of ICMPv6 (RFC 3542, 3.1).
        total = 0 if self._version6 else checksum(struct.pack("!BBHHH", kind, 0, 0, *fields) + body)
        self.socket.sendto(struct.pack("!BBHHH", kind, 0, total, *fields) + body, (self._address, 0))

    def receive(self):
        """The number of an answer to one of ours, 0 for something else; raises BlockingIOError when there is none."""
        packet, (sender, *_) = self.socket.recvfrom(2048)
        reply = packet if self._version6 else packet[(packet[0] & 15) * 4 :]
        kind = ICMP6_REPLY if self._version6 else ICMP_REPLY
        ours = len(reply) >= 16 and reply[0] == kind and reply[4:6] == self._identifier.to_bytes(2, "big")
        return struct.unpack("!Q", reply[8:16])[0] if ours and sender == self._address else 0


def now():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


class Ticker:
    """A tick each period by the monotonic clock; what was missed while the machine was busy is skipped, not caught
    up."""

    def __init__(self, period_ns):
        self._period = period_ns
        self._next = time.monotonic_ns()

    def wait_readable(self, connection, wanted=True):
        """Waits for the next tick or for data; returns (tick, readable)."""
        left = max(0, self._next - time.monotonic_ns()) / 1e9
        readable, _, _ = select.select([connection] if wanted else [], [], [], left)
        current = time.monotonic_ns()
        if current < self._next:
            return False, bool(readable)
        self._next += self._period * (1 + (current - self._next) // self._period)
        return True, bool(readable)


def ping(address, period_ns, log):
    echo = Echo(address)
    ticker = Ticker(period_ns)
    number = 0
    while not stopping:
        tick, readable = ticker.wait_readable(echo.socket)
        while readable:
            try:
                answered = echo.receive()
            except BlockingIOError:
                break
            if answered:
                log.write(f"r {answered} {now()}\n")
        if tick:
            number += 1
            log.write(f"s {number} {now()}\n")
            try:
                echo.send(number)
            except OSError as error:  # no neighbour yet, or the interface's queue is full: it counts as lost
                log.write(f"# {error}\n")


def line_of(number):
    return b"%010d %s\n" % (number, PATTERN)


def tcp(address, port, period_ns, log):
    connection = socket.create_connection((address, port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    ticker = Ticker(period_ns)
    sent, received = 0, 0
    unsent, partial = b"", b""
    drain_until = None
    while drain_until is None or (received < sent and time.monotonic() < drain_until):
        if stopping and drain_until is None:
            drain_until = time.monotonic() + DRAIN_S
        tick, readable = ticker.wait_readable(connection)
        if readable:
            data = connection.recv(65536)
            moment = now()
            if not data:
                raise ConnectionError("closed by the guest")
            *lines, partial = (partial + data).split(b"\n")
            for line in lines:
                received += 1
                if line + b"\n" != line_of(received):
                    raise ValueError(f"line {received} came back as {line[:80]!r}")
                log.write(f"r {received} {moment}\n")
        if tick and drain_until is None:
            sent += 1
            unsent += line_of(sent)
            log.write(f"s {sent} {now()}\n")
        if tick and unsent:
            try:
                unsent = unsent[connection.send(unsent) :]
            except BlockingIOError:
                pass
    if received < sent:
        raise ValueError(f"{sent - received} lines did not come back within {DRAIN_S} s")
    log.write(f"d {sent}\n")


def main():
    signal.signal(signal.SIGTERM, stop)
    period_ns = int(float(sys.argv[1]) * 1e6)
    kind, address = sys.argv[2], sys.argv[3]
    with open(sys.argv[-1], "w", buffering=1, encoding="ascii") as log:
        if kind == "ping":
            ping(address, period_ns, log)
            return
        try:
            tcp(address, int(sys.argv[4]), period_ns, log)
        except (OSError, ValueError) as error:
            log.write(f"x {error}\n")
            sys.exit(1)


if __name__ == "__main__":
    main()
