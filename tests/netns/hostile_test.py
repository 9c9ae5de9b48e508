#!/usr/bin/env python3
"""Datagrams of strangers at rove's port: random ones, mutated ones and recorded ones replayed, from other source
addresses too. None gets a reply, and nothing changes but counters. Usage: hostile_test.py ROVE

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b, and a stranger 10.1.0.66
"""

import random
import select
import socket
import subprocess
import threading
import time

import cli_test
from cli_test import PORT, VM_IP, wait_for

DATAGRAMS = 100_000
STRANGER = "10.1.0.66"
SEED = 1
BATCH = 250  # sent without a pause; the victim's socket buffer holds many times that
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003  # a socket for IP alone would not see what leaves
UDP = 17


class InNamespace:
    """Sockets that live in a namespace: opened by a thread that has moved there."""

    def __init__(self, namespace):
        self.namespace = namespace

    def open(self, make):
        result = []

        def work():
            with open(f"/run/netns/{self.namespace}", encoding="ascii") as file:
                import ctypes  # pylint: disable=import-outside-toplevel
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(make())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return result[0]


def udp_socket(address):
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, 0))
    return bound


def packet_socket():
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.bind(("eth0", ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    tap.setblocking(False)
    return tap


def parse_udp(frame):
    """(source address and port, destination address and port, payload), or None."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != UDP:
        return None
    header = 14 + (frame[14] & 15) * 4
    ports = [int.from_bytes(frame[header + i : header + i + 2], "big") for i in (0, 2)]
    length = int.from_bytes(frame[header + 4 : header + 6], "big")
    source, target = (socket.inet_ntoa(frame[i : i + 4]) for i in (26, 30))
    return (source, ports[0]), (target, ports[1]), frame[header + 8 : header + length]


class Recorder(threading.Thread):
    """All UDP that crosses the wire, in both directions, as host b's eth0 sees it."""

    def __init__(self, tap):
        super().__init__(daemon=True)
        self.tap = tap
        self.between_members = []  # payloads of rove's own traffic
        self.replies = []  # whatever host a's rove sent to anybody else
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            select.select([self.tap], [], [], 0.1)
            while True:
                try:
                    parsed = parse_udp(self.tap.recv(65536))
                except OSError:  # nothing more now, or the namespace is gone
                    break
                if parsed is None:
                    continue
                source, target, payload = parsed
                if source == ("10.1.0.1", PORT) and target != ("10.1.0.2", PORT):
                    self.replies.append((target, payload))
                elif source[1] == PORT and target[1] == PORT and len(self.between_members) < 20_000:
                    self.between_members.append(payload)


def mutate(payload, chance):
    data = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        kind = chance.randrange(3)
        at = chance.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:]
        else:
            data[at:at] = chance.randbytes(chance.randint(1, 16))
    return bytes(data)


def make_datagrams(recorded, chance):
    """A third each: noise behind a known first byte, mutations, replays to the letter."""
    for number in range(DATAGRAMS):
        if number % 3 == 0:
            yield bytes([chance.choice((1, 2, 3, chance.randrange(256)))]) + chance.randbytes(chance.randrange(1400))
        elif number % 3 == 1:
            yield mutate(chance.choice(recorded), chance)
        else:
            yield chance.choice(recorded)


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def daemon_pid(host):
    """The daemon itself: `ip netns exec` becomes it."""
    return host.daemon.pid


def stable_view(host):
    """What must not change: peers and where they are; VMs; who hosts the VM."""
    peers = [{key: peer.get(key) for key in ("name", "id", "endpoint")} for peer in host.json("peers")["peers"]]
    vms = [{key: vm.get(key) for key in ("mac", "ips", "state", "sequence")} for vm in host.json("vms")["vms"]]
    return peers, vms, host.json("lookup", VM_IP)["answers"][0]["node"]


def run(lab, checks):
    a, b = lab.hosts
    lab.join_both()
    lab.ip("-n", b.namespace, "address", "add", f"{STRANGER}/24", "dev", "eth0")
    inside = InNamespace(b.namespace)
    recorder = Recorder(inside.open(packet_socket))
    recorder.start()
    a.start()
    b.start()
    vm = lab.namespaces[2]

    def ping():
        return subprocess.run(["ip", "netns", "exec", vm, "ping", "-c", "1", "-W", "1", "10.77.0.250"],
                              capture_output=True, check=False).returncode == 0

    reached = wait_for(ping, 30) and wait_for(lambda: b.rove("lookup", VM_IP).returncode == 0, 10)
    checks.check(reached, "the VM reaches host b through rove, which knows where the VM is")
    if not reached:
        return
    for _ in range(200):
        ping()
    recorded = [payload for payload in recorder.between_members if payload]
    checks.check(len(recorded) > 400, f"{len(recorded)} datagrams were recorded")

    before = stable_view(a), stable_view(b)
    memory = resident_kb(daemon_pid(a))
    chance = random.Random(SEED)
    sockets = [inside.open(lambda: udp_socket(address)) for address in (STRANGER, STRANGER, "10.1.0.2")]
    recorder.replies.clear()
    for number, datagram in enumerate(make_datagrams(recorded, chance)):
        chance.choice(sockets).sendto(datagram, ("10.1.0.1", PORT))
        if number % BATCH == BATCH - 1:
            time.sleep(0.01)
    time.sleep(3)
    replies = len(recorder.replies)
    checks.check(replies == 0, f"{DATAGRAMS} datagrams of strangers got {replies} replies")
    checks.check(a.daemon.poll() is None and b.daemon.poll() is None, "both daemons are alive")
    after = stable_view(a), stable_view(b)
    changed = "" if before == after else f": {before} / {after}"
    checks.check(not changed, f"peers, VMs and lookups are as before{changed}")
    checks.check(ping(), "the VM still reaches host b")
    grown = resident_kb(daemon_pid(a)) - memory
    checks.check(grown < 64 << 10, f"memory of the daemon grew by {grown} kB (< 65536: buffers, bounded tables)")
    counters = a.json("status", "--counters")["counters"]
    for group, name in (("drops", "replayed"), ("drops", "undecryptable"), ("drops", "unknown_session"),
                        ("node", "sealed_replayed"), ("node", "sealed_refused"), ("peers", "control_dropped")):
        checks.check(counters[group][name] > 100, f"{counters[group][name]} were counted as {group}.{name}")
    recorder.ended.set()
    recorder.join()


if __name__ == "__main__":
    cli_test.run_checks(run)
