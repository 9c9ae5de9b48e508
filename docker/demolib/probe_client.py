#!/usr/bin/env python3
"""Runs inside a client's namespace, beside nothing else: asks the guest every 10 ms and writes down what it sees.

    probe_client.py ping ADDRESS FILE          an ICMP echo request every 10 ms
    probe_client.py tcp ADDRESS PORT FILE      a numbered line every 10 ms on one connection, each echo checked

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

PERIOD_NS = 10_000_000
DRAIN_S = 10.0
ICMP_ECHO, ICMP_REPLY = 8, 0
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


def echo_request(identifier, number):
    body = struct.pack("!Q", number) + PATTERN
    body += b"." * (-len(body) % 2)
    header = struct.pack("!BBHHH", ICMP_ECHO, 0, 0, identifier, number & 0xFFFF)
    return struct.pack("!BBHHH", ICMP_ECHO, 0, checksum(header + body), identifier, number & 0xFFFF) + body


def now():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


class Ticker:
    """Every 10 ms by the monotonic clock; what was missed while the machine was busy is skipped, not caught up."""

    def __init__(self):
        self._next = time.monotonic_ns()

    def wait_readable(self, connection, wanted=True):
        """Waits for the next tick or for data; returns (tick, readable)."""
        left = max(0, self._next - time.monotonic_ns()) / 1e9
        readable, _, _ = select.select([connection] if wanted else [], [], [], left)
        current = time.monotonic_ns()
        if current < self._next:
            return False, bool(readable)
        self._next += PERIOD_NS * (1 + (current - self._next) // PERIOD_NS)
        return True, bool(readable)


def ping(address, log):
    identifier = os.getpid() & 0xFFFF
    connection = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    connection.setblocking(False)
    ticker = Ticker()
    number = 0
    while not stopping:
        tick, readable = ticker.wait_readable(connection)
        while readable:
            try:
                packet, (sender, _) = connection.recvfrom(2048)
            except BlockingIOError:
                break
            moment = now()
            reply = packet[(packet[0] & 15) * 4 :]
            ours = len(reply) >= 16 and reply[0] == ICMP_REPLY and reply[4:6] == identifier.to_bytes(2, "big")
            if ours and sender == address:
                log.write(f"r {struct.unpack('!Q', reply[8:16])[0]} {moment}\n")
        if tick:
            number += 1
            log.write(f"s {number} {now()}\n")
            try:
                connection.sendto(echo_request(identifier, number), (address, 0))
            except OSError as error:  # no neighbour yet, or the interface's queue is full: it counts as lost
                log.write(f"# {error}\n")


def line_of(number):
    return b"%010d %s\n" % (number, PATTERN)


def tcp(address, port, log):
    connection = socket.create_connection((address, port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    ticker = Ticker()
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
    kind, address = sys.argv[1], sys.argv[2]
    with open(sys.argv[-1], "w", buffering=1, encoding="ascii") as log:
        if kind == "ping":
            ping(address, log)
            return
        try:
            tcp(address, int(sys.argv[3]), log)
        except (OSError, ValueError) as error:
            log.write(f"x {error}\n")
            sys.exit(1)


if __name__ == "__main__":
    main()
