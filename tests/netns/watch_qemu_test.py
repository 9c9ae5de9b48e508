#!/usr/bin/env python3
"""`rove watch-qemu` between a real daemon and a QEMU that is played here: what it tells the daemon, and how it ends.
Usage: watch_qemu_test.py ROVE
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import cli_test
from cli_test import FAILURE, NOT_FOUND, OK, SKIP, Lab, wait_for

MAC = "52:54:00:10:00:05"
OTHER_MAC = "52:54:00:10:00:06"
DEVICE = "/machine/peripheral-anon/device[0]/virtio-backend"
# As QEMU 7.2 prints it; tap1 is in another bridge.
NETWORKS = (f"virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr={MAC}\r\n"
            " \\ net: index=0,type=tap,ifname=tap0,script=no,downscript=no\r\n"
            f"virtio-net-pci.1: index=0,type=nic,model=virtio-net-pci,macaddr={OTHER_MAC}\r\n"
            " \\ net1: index=0,type=tap,ifname=tap1,script=no,downscript=no\r\n")
GREETING = b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}\r\n'


class FakeQemu:
    """Listens at `path` and answers as QEMU does, to one client at a time. With `slow`, octet by octet."""

    def __init__(self, path, running=False, greeting=GREETING, slow=False, status=None):
        self.running, self._greeting, self._slow = running, greeting, slow
        self.device = {"vhost-started": False, "num-vqs": 3, "guest-features": {"transports": []}, **(status or {})}
        self.used, self.used_step = 65000, 0
        self.asked = []
        self.connection = None  # once the first question is answered
        self._client = None
        self._lock = threading.Lock()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            self._client = connection
            self._send(connection, self._greeting)
            for line in connection.makefile("rb"):
                request = json.loads(line)
                self.asked.append(request["execute"])
                answer = {**self._answer(request["execute"], request.get("arguments", {})), "id": request["id"]}
                if self._slow:  # an event may come at any time
                    self.event("RTC_CHANGE", {"offset": 1})
                self._send(connection, json.dumps(answer).encode() + b"\r\n")
                self.connection = connection

    def _send(self, connection, data):
        with self._lock:
            for piece in (data[i : i + 1] for i in range(len(data))) if self._slow else (data,):
                connection.sendall(piece)

    def _answer(self, command, arguments):
        if command == "x-query-virtio-queue-status":
            self.used = (self.used + self.used_step) % 65536
        answers = {
            "human-monitor-command": NETWORKS,
            "query-status": {"running": self.running, "status": "running" if self.running else "inmigrate"},
            "x-query-virtio": [{"name": "virtio-rng", "path": "/rng"}, {"name": "virtio-net", "path": DEVICE}],
            "qom-get": MAC,
            "x-query-virtio-status": self.device,
            "x-query-virtio-queue-status": {"used-idx": self.used},
        }
        if command == "qom-get" and arguments["path"] != DEVICE:
            return {"error": {"class": "GenericError", "desc": "no such property"}}
        return {"return": answers.get(command, {})}

    def event(self, name, data=None):
        message = {"event": name, "timestamp": {"seconds": int(time.time()), "microseconds": 0}}
        if data is not None:
            message["data"] = data
        if self.connection:
            self._send(self.connection, json.dumps(message).encode() + b"\r\n")

    def wait_asked(self, command, count=1):
        return wait_for(lambda: self.asked.count(command) >= count)

    def close(self):
        for each in filter(None, (self._listener, self._client)):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class WatchQemu(unittest.TestCase):
    """One host with a daemon, and a TAP device in its bridge."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("needs root and /dev/net/tun")
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.down)
        cli_test.ROVE = shutil.copy(cls.rove, os.path.join(cls.lab.directory, "rove"))
        try:
            cls.lab.up()
            host = cls.lab.namespaces[0]
            cls.lab.ip("-n", host, "link", "add", "br1", "type", "bridge")
            for tap, bridge in (("tap0", "br0"), ("tap1", "br1")):
                cls.lab.ip("-n", host, "tuntap", "add", tap, "mode", "tap")
                cls.lab.ip("-n", host, "link", "set", tap, "master", bridge, "up")
        except subprocess.CalledProcessError as error:
            raise unittest.SkipTest(error.stderr) from error
        cls.host = cls.lab.hosts[0]
        result = cls.host.rove("init", "demo", "--subnet", "10.77.0.0/24", "--node", "a")
        assert result.returncode == OK, result.stderr
        with open(cls.host.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
            text = file.read()
            file.seek(0)
            file.write('bridge = "br0"\n' + text)
        cls.host.start()
        assert cls.host.rove("wait").returncode == OK, cls.host.log()

    def setUp(self):
        self.socket = self.host.path("qmp")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def qemu(self, **how):
        qemu = FakeQemu(self.socket, **how)
        self.addCleanup(qemu.close)
        return qemu

    def watch(self):
        log = open(self.host.path("watch.log"), "w+", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(["ip", "netns", "exec", self.host.namespace, cli_test.ROVE, "watch-qemu",
                                    self.socket], stderr=log, env=self.host.environment)

        def end():
            process.kill()
            process.wait()

        self.addCleanup(lambda: self.host.rove("release", MAC))
        self.addCleanup(end)
        return process

    def log(self):
        with open(self.host.path("watch.log"), encoding="utf-8") as file:
            return file.read()

    def states(self):
        return {vm["mac"]: vm["state"] for vm in self.host.json("vms")["vms"] if vm["mac"] in (MAC, OTHER_MAC)}

    def capture(self, name):
        return self.host.json("status")["counters"]["capture"][name]

    def end(self, process, expected):
        self.assertEqual(process.wait(15), expected, self.log())

    # -- what it tells

    def test_a_vm_is_claimed_when_it_resumes_and_released_when_its_qemu_ends(self):
        process = self.watch()
        self.assertTrue(wait_for(lambda: "waiting-for-qemu" in self.log()))
        qemu = self.qemu()
        self.assertTrue(wait_for(lambda: "qemu-watched" in self.log()), self.log())
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "expected"}), self.log())

        qemu.event("RESUME")
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())

        qemu.close()
        self.assertTrue(wait_for(lambda: "qemu-gone" in self.log() and self.states() == {}), self.log())
        self.qemu(running=True)
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())
        self.assertIsNone(process.poll())

    def test_a_vm_that_never_came_is_not_expected_any_more(self):
        qemu = self.qemu()
        self.watch()
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "expected"}), self.log())
        self.assertTrue(wait_for(lambda: self.capture("ports") == 1))  # it is known where it would come

        qemu.close()

        self.assertTrue(wait_for(lambda: "qemu-gone" in self.log() and self.states() == {}), self.log())
        self.assertTrue(wait_for(lambda: self.capture("ports") == 0))

    def test_answers_in_pieces_with_events_between_them_are_understood(self):
        self.qemu(running=True, slow=True)
        self.watch()

        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())

    def test_a_vm_that_stops_to_move_is_counted_and_not_released(self):
        before = self.capture("stops")
        qemu = self.qemu(running=True)
        self.watch()
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())

        qemu.event("MIGRATION", {"status": "setup"})
        qemu.event("MIGRATION", {"status": "active"})
        self.assertTrue(qemu.wait_asked("x-query-virtio-queue-status", 8))
        qemu.event("STOP")
        self.assertTrue(wait_for(lambda: "vm-stopped" in self.log()), self.log())
        qemu.event("MIGRATION", {"status": "completed"})
        qemu.close()

        self.assertIn(f"vm-stopped vm={MAC} delivered=0\n", self.log())
        self.assertEqual(self.capture("stops"), before + 1)
        self.assertTrue(wait_for(lambda: "qemu-gone" in self.log()))
        self.assertEqual(self.states(), {MAC: "live"})

    def uncounted(self, used_step=0, moves=True, **how):
        """A stop of which nothing is told."""
        before = self.capture("stops")
        qemu = self.qemu(running=True, **how)
        qemu.used_step = used_step
        self.watch()
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())
        if moves:
            qemu.event("MIGRATION", {"status": "active"})
            self.assertTrue(qemu.wait_asked("x-query-virtio-status"))
            time.sleep(0.3)
        qemu.event("STOP")
        qemu.event("RESUME")
        asked = qemu.asked.count("x-query-virtio-queue-status")
        time.sleep(0.2)
        self.assertNotIn("vm-stopped", self.log())
        self.assertEqual(self.capture("stops"), before)
        return asked

    def test_a_count_that_does_not_fit_the_ports_is_not_told(self):
        self.assertGreater(self.uncounted(used_step=3), 4)

    def test_devices_that_cannot_be_counted_are_not_asked(self):
        for status in ({"vhost-started": True}, {"num-vqs": 5},
                       {"guest-features": {"transports": ["VIRTIO_F_RING_PACKED: Device supports packed VQ layout"]}}):
            with self.subTest(status=status):
                self.assertEqual(self.uncounted(status=status), 0)
                self.doCleanups()
                self.setUp()

    def test_a_pause_is_no_move(self):
        self.assertEqual(self.uncounted(moves=False), 0)

    def test_a_daemon_that_comes_later_is_told_then(self):
        self.host.stop()
        try:
            self.qemu(running=True)
            self.watch()
            self.assertTrue(wait_for(lambda: "qemu-watched" in self.log()), self.log())
            time.sleep(0.5)
        finally:
            self.host.start()
        self.assertEqual(self.host.rove("wait").returncode, OK)

        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())

    # -- how it ends

    def test_it_ends_when_asked_and_leaves_the_claim(self):
        process = self.watch()
        self.assertTrue(wait_for(lambda: "waiting-for-qemu" in self.log()))
        process.send_signal(signal.SIGTERM)
        self.end(process, OK)

        self.qemu(running=True)
        process = self.watch()
        self.assertTrue(wait_for(lambda: self.states() == {MAC: "live"}), self.log())
        process.send_signal(signal.SIGTERM)
        self.end(process, OK)
        self.assertEqual(self.states(), {MAC: "live"})

    def refused(self, status, words):
        process = self.watch()
        self.end(process, status)
        self.assertIn(f"rove: watch {self.socket}: ", self.log())
        self.assertIn(words, self.log())

    def test_who_is_no_qemu_is_refused(self):
        for greeting, words in ((b"220 mail.example.org\r\n", "no JSON object"), (b"[1]\n", "no JSON object"),
                                (b'{"QMP": \n', "no JSON object"), (b'{"hello": 1}\n', "does not greet as QEMU does")):
            with self.subTest(greeting=greeting):
                self.qemu(greeting=greeting)
                self.refused(FAILURE, words)
                self.doCleanups()

    def test_nonsense_after_the_greeting_is_refused(self):
        self.qemu(greeting=GREETING + b"nonsense\n")
        self.refused(FAILURE, "no JSON object")

    def test_a_monitor_that_serves_another_client_is_told_of(self):
        self.qemu(greeting=b"")
        self.refused(NOT_FOUND, "one client at a time")

    def test_what_is_no_socket_is_refused(self):
        with open(self.socket, "w", encoding="ascii"):
            pass
        self.refused(FAILURE, "it is no socket")


def main():
    WatchQemu.rove = os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIP if result.skipped else 0)


if __name__ == "__main__":
    main()
