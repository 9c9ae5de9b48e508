#!/usr/bin/env python3
"""`rove pcap` between two hosts, read by tcpdump and by tshark with docs/wireshark/rove.lua.
Usage: pcap_test.py ROVE

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0] ─ br0 ── vm2 10.77.0.6
"""

import collections
import os
import pty
import random
import signal
import subprocess
import sys
import unittest

import cli_test
import pcap_file
from cli_test import FAILURE, NOT_RUNNING, OK, PORT, USAGE, wait_for
from two_vm_lab import VM2_IP, TwoVmLab

DISSECTOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "wireshark", "rove.lua")
HEADER, TAG = 16, 16


class Capture:
    """A running `rove pcap` that writes into a file."""

    def __init__(self, host, *arguments, prefix=()):
        self.path = host.path("capture.pcap")
        self.errors = ""
        with open(self.path, "wb") as file:
            self.process = subprocess.Popen(["ip", "netns", "exec", host.namespace, *prefix, cli_test.ROVE, "pcap",
                                             *arguments], stdout=file, stderr=subprocess.PIPE, text=True,
                                            env=host.environment)

    def __enter__(self):
        # The header is there once it captures.
        wait_for(lambda: os.path.getsize(self.path) >= 24 or self.process.poll() is not None)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def wait(self):
        self.errors = self.process.communicate(timeout=20)[1]
        return self.process.returncode

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.wait()

    def read(self):
        with open(self.path, "rb") as file:
            return pcap_file.read(file.read())


def tshark(path, *arguments):
    return subprocess.run(["tshark", "-X", f"lua_script:{DISSECTOR}", "-n", "-r", path, *arguments],
                          capture_output=True, text=True, timeout=120, check=False)


FIELDS = ("frame.number", "ip.src", "rove.type", "rove.flags", "rove.index", "rove.receiver", "rove.lane",
          "rove.counter", "rove.inside", "rove.nonce", "rove.ring", "rove.malformed")


def dissect(path):
    """What tshark says of each packet: field -> its values, in their order."""
    names = [word for name in FIELDS for word in ("-e", name)]
    run = tshark(path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator= ", "-E", "separator=/t", *names)
    if run.returncode != 0 or "Lua" in run.stderr.replace("Lua Dissector", ""):
        raise AssertionError(run.stderr)
    return [dict(zip(FIELDS, (value.split() for value in line.split("\t")))) for line in run.stdout.splitlines()]


class Case(cli_test.Case):
    """With the hosts, whose daemons run, at hand."""

    @classmethod
    def setUpClass(cls):
        if any(host.daemon is None for host in cli_test.LAB.hosts):
            cli_test.LAB.start()

    def setUp(self):
        super().setUp()
        self.lab = cli_test.LAB
        self.assertTrue(wait_for(self.lab.ping, 30), self.a.log() + self.b.log())


class Inside(Case):
    """The VMs' frames, at the TAP device."""

    def test_a_ping_is_there_in_both_directions(self):
        with Capture(self.a, "icmp") as capture:
            self.assertTrue(self.lab.ping(5))
            self.assertEqual(capture.stop(), OK)
        link_type, packets = capture.read()
        self.assertEqual(link_type, pcap_file.ETHERNET)
        echoes = collections.Counter(packet.data[34] for packet in packets)
        self.assertEqual(echoes, {8: 5, 0: 5})
        self.assertEqual(capture.errors, "10 packets captured, 0 dropped by the kernel\n")

    def test_tcpdump_reads_it_from_a_pipe(self):
        command = f"{cli_test.ROVE} pcap -c 2 icmp | tcpdump -nr -"
        with subprocess.Popen(["ip", "netns", "exec", self.a.namespace, "sh", "-c", command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=self.a.environment) as pipeline:
            for _ in range(100):
                if pipeline.poll() is not None:
                    break
                self.lab.ping()
            text, errors = pipeline.communicate(timeout=10)
        self.assertEqual(pipeline.returncode, 0, errors)
        self.assertIn("ICMP echo request", text)
        self.assertIn("2 packets captured", errors)

    def test_superframes_have_their_real_size(self):
        with Capture(self.a, "--inside", "tcp") as capture:
            self.assertEqual(self.lab.stream(4_000_000), 4_000_000)
            self.assertEqual(capture.stop(signal.SIGTERM), OK)
        packets = capture.read()[1]
        self.assertGreater(max(packet.size for packet in packets), 10_000)
        self.assertTrue(all(len(packet.data) == packet.size for packet in packets))
        # Every octet of the stream is in a frame of that file.
        payload = sum(packet.size - 14 - 20 - 4 * (packet.data[46] >> 4) for packet in packets
                      if packet.data[26:30] == bytes([10, 77, 0, 5]))
        self.assertGreaterEqual(payload, 4_000_000)

    def test_snaplen_keeps_the_beginning(self):
        with Capture(self.a, "--snaplen", "60", "-c", "3", "icmp") as capture:
            self.lab.ping(3)
            self.assertEqual(capture.wait(), OK)
        self.assertEqual([(len(packet.data), packet.size) for packet in capture.read()[1]], [(60, 98)] * 3)
        self.assertIn("3 packets captured", capture.errors)

    def test_it_ends_when_nobody_reads_although_nothing_comes(self):
        reader, writer = os.pipe()
        with subprocess.Popen(["ip", "netns", "exec", self.a.namespace, cli_test.ROVE, "pcap", "udp port 9"],
                              stdout=writer, stderr=subprocess.PIPE, text=True, env=self.a.environment) as process:
            os.close(writer)
            self.assertEqual(len(os.read(reader, 4096)), 24)
            os.close(reader)
            errors = process.communicate(timeout=10)[1]
        self.assertEqual((process.returncode, errors), (OK, "0 packets captured, 0 dropped by the kernel\n"))

    def test_an_interrupt_ends_it_although_the_reader_stands_still(self):
        reader, writer = os.pipe()
        with subprocess.Popen(["ip", "netns", "exec", self.a.namespace, cli_test.ROVE, "pcap"], stdout=writer,
                              stderr=subprocess.PIPE, text=True, env=self.a.environment) as process:
            os.close(writer)
            os.read(reader, 24)
            self.lab.stream(1_000_000)  # more than a pipe holds
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=10)[1]
            os.close(reader)
        self.assertEqual(process.returncode, OK)
        self.assertIn(" captured, ", errors)


class Refusals(Case):
    """What it does not do, and what it says then."""

    def test_nothing_goes_to_a_terminal(self):
        master, terminal = pty.openpty()
        run = subprocess.run(["ip", "netns", "exec", self.a.namespace, cli_test.ROVE, "pcap"], stdout=terminal,
                             stderr=subprocess.PIPE, text=True, timeout=20, check=False, env=self.a.environment)
        os.close(terminal)
        os.close(master)
        self.assertEqual(run.returncode, USAGE)
        self.assertIn("try: rove pcap | tcpdump -nr -", run.stderr)

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            run = subprocess.run(["ip", "netns", "exec", self.a.namespace, cli_test.ROVE, "pcap"], stdout=full,
                                 stderr=subprocess.PIPE, text=True, timeout=20, check=False, env=self.a.environment)
        self.assertEqual(run.returncode, FAILURE)
        self.assertIn("rove: pcap: write to standard output: No space left on device", run.stderr)

    def test_a_filter_that_is_none(self):
        for arguments in (["port or"], ["--outside", "host"]):
            result = self.expect(USAGE, self.a, "pcap", *arguments)
            self.assertIn("syntax error", result.stderr)
        for arguments in (["-c", "0"], ["--snaplen", "many"], ["--inside", "--outside"]):
            self.expect(USAGE, self.a, "pcap", *arguments)

    def test_without_the_right_to_capture(self):
        with Capture(self.a, prefix=("setpriv", "--bounding-set=-net_raw")) as capture:
            self.assertEqual(capture.wait(), FAILURE)
        self.assertIn("CAP_NET_RAW", capture.errors)

    def test_in_another_network_namespace(self):
        run = subprocess.run(["ip", "netns", "exec", self.b.namespace, cli_test.ROVE, "pcap"], capture_output=True,
                             text=True, timeout=20, check=False, env=self.a.environment)
        self.assertEqual(run.returncode, FAILURE)
        self.assertIn("another network namespace", run.stderr)

    def test_without_a_daemon_and_when_it_ends(self):
        with Capture(self.b) as capture:
            self.b.stop()
            self.assertEqual(capture.wait(), NOT_RUNNING)
        self.assertIn("rove0 is gone", capture.errors)
        self.assertIn("try: rove up demo", self.expect(NOT_RUNNING, self.b, "pcap").stderr)
        self.b.start()
        self.expect(OK, self.b, "wait", "--timeout", "30s")


class Outside(Case):
    """The sealed datagrams between the hosts, and what the dissector says of them."""

    @staticmethod
    def sealed_so_far(host):
        return host.json("status")["counters"]["packets"]["datagrams_sealed"]

    def test_every_datagram_of_a_stream_is_told_apart(self):
        before = {host.name: self.sealed_so_far(host) for host in self.lab.hosts}
        with Capture(self.a, "--outside") as capture:
            self.lab.stream(2_000_000)
            self.lab.ping(3)
            self.assertEqual(capture.stop(), OK)
        after = {host.name: self.sealed_so_far(host) for host in self.lab.hosts}
        self.assertEqual(capture.read()[0], pcap_file.SLL2)
        self.assertIn(" 0 dropped", capture.errors)
        packets = dissect(capture.path)
        self.assertEqual([packet for packet in packets if packet["rove.malformed"]], [])
        counters = collections.defaultdict(list)
        for packet in packets:
            for field in ("rove.lane", "rove.counter", "rove.inside", "rove.receiver"):
                session = len([kind for kind in packet["rove.type"] if kind != "3"])
                self.assertGreaterEqual(len(packet[field]), session, packet)
            for lane, counter, kind in zip(packet["rove.lane"], packet["rove.counter"], packet["rove.type"]):
                self.assertEqual(kind == "2", lane == "0", packet)
                if kind == "1":
                    counters[packet["ip.src"][0]].append((packet["rove.receiver"][0], lane, int(counter)))
        for host, address in zip(self.lab.hosts, ("10.1.0.1", "10.1.0.2")):
            sent = counters[address]
            self.assertEqual(len({receiver for receiver, _, _ in sent}), 1)
            lanes = collections.defaultdict(list)
            for _, lane, number in sent:
                lanes[lane].append(number)
            for lane, numbers in lanes.items():
                self.assertEqual(sorted(numbers), list(range(min(numbers), max(numbers) + 1)),
                                 f"datagrams of {host.name}, lane {lane}")
            # One VM's have one lane. Now and then a lone frame to somebody else, of another shard, is among them.
            self.assertLess(len(sent) - max(len(numbers) for numbers in lanes.values()), 5)
            # A few may have been sent before it captured, or after it.
            self.assertLessEqual(len(sent), after[host.name] - before[host.name])
        self.assertGreater(len(counters["10.1.0.1"]), 2_000_000 // 1400)
        # Some came as pieces that the kernel cuts, and segments of superframes are marked.
        self.assertGreater(max(len(packet["rove.type"]) for packet in packets), 1)
        self.assertTrue(any("0x03" in packet["rove.flags"] or "0x07" in packet["rove.flags"] for packet in packets))

    def test_a_restart_shows_envelopes_and_a_new_session(self):
        with Capture(self.a, "--outside") as capture:
            self.b.stop()
            self.b.start()
            self.expect(OK, self.b, "wait", "--timeout", "30s")
            self.assertTrue(wait_for(self.lab.ping, 30))
            self.assertEqual(capture.stop(), OK)
        packets = dissect(capture.path)
        envelopes = [packet for packet in packets if packet["rove.type"] == ["3"]]
        self.assertGreater(len(envelopes), 2)
        self.assertTrue(all(packet["rove.ring"] == ["0"] and len(packet["rove.nonce"][0]) == 48
                            for packet in envelopes), envelopes)
        self.assertEqual(len({packet["rove.nonce"][0] for packet in envelopes}), len(envelopes))
        receivers = {packet["rove.receiver"][0] for packet in packets if packet["rove.receiver"]}
        self.assertGreaterEqual(len(receivers), 2, f"{capture.errors}{tshark(capture.path).stdout}")
        self.assertNotIn("0x00000000", receivers)
        self.assertEqual({kind for packet in packets for kind in packet["rove.type"]}, {"1", "2", "3"},
                         f"{capture.errors}{tshark(capture.path).stdout}")

    def test_other_traffic_is_not_in_it(self):
        # The VMs use the same port among themselves; it passes the TAP device, the bridge and the VM's port.
        send = f"import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.sendto(b'x',('{VM2_IP}',{PORT}))"
        size = "udp[4:2] = 9"  # with its header; no sealed datagram is so short
        for side, expected in (("--inside", 5), ("--outside", 0)):
            with Capture(self.a, side, size) as capture:
                for _ in range(5):
                    self.lab.in_vm(sys.executable, "-c", send)
                self.assertEqual(capture.stop(), OK)
            self.assertEqual(len(capture.read()[1]), expected, side)


def session_datagram(counter, kind=1, lane=1, flags=0, index=0, zero=0, receiver=0x01020304, size=100):
    return bytes([kind, flags, index, zero]) + receiver.to_bytes(4, "big") + bytes([lane]) + \
        counter.to_bytes(7, "big") + random.Random(counter).randbytes(size - HEADER)


class Dissector(unittest.TestCase):
    """docs/wireshark/rove.lua alone, with files that are made here."""

    def setUp(self):
        self.path = os.path.join(cli_test.LAB.directory, "made.pcap")

    def dissect(self, *payloads, port=PORT):
        pcap_file.write(self.path, [payload if isinstance(payload, tuple) else pcap_file.udp_frame(payload, port)
                                    for payload in payloads])
        return dissect(self.path)

    def test_fields_are_those_of_the_header(self):
        packet = self.dissect(session_datagram(0x0102030405, flags=0x57, index=9, lane=200, size=60))[0]
        self.assertEqual((packet["rove.flags"], packet["rove.index"], packet["rove.receiver"], packet["rove.lane"],
                          packet["rove.counter"], packet["rove.inside"], packet["rove.malformed"]),
                         (["0x57"], ["9"], ["0x01020304"], ["200"], [str(0x0102030405)], ["28"], []))

    def test_what_a_receiver_drops_for_its_form_is_malformed(self):
        wrong = (session_datagram(1, zero=1), session_datagram(1, lane=0), session_datagram(1, kind=2, lane=3),
                 session_datagram(1, kind=2, lane=0, flags=1), session_datagram(1, flags=0x04),
                 session_datagram(1, index=3), session_datagram(1, flags=0x09), session_datagram(1, flags=0x81),
                 session_datagram(1, kind=2, lane=0, size=1233), session_datagram(1, size=31),
                 session_datagram(1, kind=4), b"\x03" * 66, b"\x03\x00" + bytes(4095), b"\x01")
        right = (session_datagram(1, flags=0x80), session_datagram(1, kind=2, lane=0, size=1232),
                 session_datagram(1, size=32), b"\x03" * 67, b"\x03\x00" + bytes(4094))
        malformed = [bool(packet["rove.malformed"]) for packet in self.dissect(*wrong, *right)]
        self.assertEqual(malformed, [True] * len(wrong) + [False] * len(right))

    def test_datagrams_in_one_piece_are_told_apart(self):
        pieces = [session_datagram(255 + number, size=700) for number in range(40)] + [session_datagram(295, size=50)]
        packet = self.dissect(b"".join(pieces))[0]
        self.assertEqual(packet["rove.counter"], [str(255 + number) for number in range(41)])
        self.assertEqual(packet["rove.inside"], ["668"] * 40 + ["18"])

    def test_on_another_port_it_is_recognized_by_its_form(self):
        packets = self.dissect(session_datagram(7), b"\x03" * 100, bytes(100), port=9999)
        self.assertEqual([packet["rove.type"] for packet in packets], [["1"], ["3"], ["0"]])
        packets = self.dissect(b"\x03" * 100, bytes(100), b"\x01" * 100, port=9999)
        self.assertEqual([packet["rove.type"] for packet in packets], [[], [], []])

    def test_nothing_makes_it_fail(self):
        """Random, changed and cut datagrams, and captures that were cut: each is dissected, none raises an error."""
        chance = random.Random(7683)
        frames = []
        for _ in range(3000):
            form = chance.randrange(5)
            if form == 0:
                payload = chance.randbytes(chance.randrange(200))
            else:
                payload = bytes([chance.randrange(1, 4)]) + chance.randbytes(chance.randrange(120))
                if form > 1:
                    payload = session_datagram(chance.randrange(3), kind=chance.randrange(4), lane=chance.randrange(2),
                                               flags=chance.randrange(256), size=chance.randrange(16, 90))
                if form > 2:
                    payload = payload * 2 + session_datagram(chance.randrange(4), size=chance.randrange(16, 90))
                if form > 3:
                    payload = payload[:chance.randrange(len(payload) + 1)]
            frame = pcap_file.udp_frame(payload, PORT)
            kept = chance.randrange(42, len(frame) + 1) if chance.randrange(2) else len(frame)
            frames.append((frame[:kept], len(frame)))
        pcap_file.write(self.path, frames)
        run = tshark(self.path, "-V")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("Lua Error", run.stdout)
        self.assertNotIn("Dissector bug", run.stdout)
        self.assertEqual(run.stdout.count("User Datagram Protocol"), len(frames))
        seen = {number for packet in dissect(self.path) if packet["rove.type"] for number in packet["frame.number"]}
        self.assertGreater(len(seen), 2500)


if __name__ == "__main__":
    cli_test.main(TwoVmLab)
