#!/usr/bin/env python3
"""What operators look at daily, by the real binary on two hosts: ping, info, top, lookup --trace, status.
Usage: observe_test.py ROVE

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0]
"""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import unittest

import cli_test
from cli_test import NOT_FOUND, NOT_RUNNING, OK, OTHER_IP, OTHER_MAC, PORT, SKIP, USAGE, VM_IP, VM_MAC, Lab, wait_for

LEAVE_SCREEN = "\033[?25h\033[?1049l"


class OnTerminal:
    """A verb whose standard input, output and error are a terminal."""

    def __init__(self, host, *arguments):
        self.master, self._slave = pty.openpty()
        self.before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(["ip", "netns", "exec", host.namespace, cli_test.ROVE, *arguments],
                                        stdin=self._slave, stdout=self._slave, stderr=self._slave,
                                        start_new_session=True, preexec_fn=self._own_terminal,
                                        env=dict(host.environment, TERM="xterm"))
        self.shown = ""

    def _own_terminal(self):
        import fcntl  # pylint: disable=import-outside-toplevel
        fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)

    def read_until(self, words, seconds=15):
        deadline = time.monotonic() + seconds
        while words not in self.shown and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536).decode()
        return words in self.shown

    def settings(self):
        return termios.tcgetattr(self._slave)

    def press(self, keys):
        os.write(self.master, keys)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)


class Observe(unittest.TestCase):
    """Two hosts with daemons, and a VM beside the first."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("needs root and /dev/net/tun")
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.down)
        cli_test.ROVE = shutil.copy(cls.rove, os.path.join(cls.lab.directory, "rove"))
        try:
            cls.lab.up()
        except subprocess.CalledProcessError as error:
            raise unittest.SkipTest(error.stderr) from error
        cls.a, cls.b = cls.lab.hosts
        ticket = cls.lab.directory + "/b.rove"
        for host, *arguments in ((cls.a, "init", "demo", "--subnet", "10.77.0.0/24", "--node", "host-a", "--bootstrap",
                                  f"10.1.0.1:{PORT}"), (cls.a, "enroll", "host-b", "-o", ticket),
                                 (cls.b, "join", ticket)):
            result = host.rove(*arguments)
            assert result.returncode == OK, result.stderr
        with open(cls.a.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
            text = file.read()
            file.seek(0)
            file.write('bridge = "br0"\n' + text)

    def setUp(self):
        for host in (self.a, self.b):
            if host.daemon is None:
                host.start()
        for host in (self.a, self.b):
            self.assertEqual(host.rove("wait").returncode, OK, host.log())
            up = lambda host=host: any(peer["up"] for peer in host.json("peers")["peers"])
            self.assertTrue(wait_for(up), host.log())

    def expect(self, status, host, *arguments):
        result = host.rove(*arguments)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        return result

    def lines(self, host, *arguments, status=OK):
        return [json.loads(line) for line in self.expect(status, host, *arguments, "--json").stdout.splitlines()]

    def id_of(self, name):
        return next(peer["id"] for peer in self.a.json("peers")["peers"] if peer["name"] == name)

    def vm_pings(self, address, count=3):
        subprocess.run(["ip", "netns", "exec", self.lab.namespaces[2], "ping", "-c", str(count), "-i", "0.2", "-W", "1",
                        address], check=False, capture_output=True)

    def terminal(self, *arguments):
        terminal = OnTerminal(self.a, *arguments)
        self.addCleanup(terminal.close)
        return terminal

    # -- ping

    def test_ping_says_by_which_path_each_answer_came(self):
        text = self.expect(OK, self.a, "ping", "host-b", "-c", "2", "-i", "100ms").stdout.splitlines()
        for line in text[:2]:
            self.assertRegex(line, rf"^host-b  direct 10\.1\.0\.2:{PORT}  rtt \d+(\.\d+)? ms$")
        self.assertRegex(text[2], r"^2 sent, 2 answered; rtt min .* ms, avg .* ms, max .* ms$")
        answer, summary = self.lines(self.a, "ping", "host-b", "-c", "1")
        self.assertEqual((answer["schema"], answer["node"], answer["node_id"], answer["replied"], answer["path"],
                          answer["endpoint"], answer["seen_at"]),
                         (1, "host-b", self.id_of("host-b"), True, "direct", f"10.1.0.2:{PORT}", f"10.1.0.1:{PORT}"))
        self.assertTrue(0 < answer["rtt_us"] < 1_000_000, answer)
        self.assertEqual((summary["sent"], summary["answered"], summary["rtt_min_us"]), (1, 1, answer["rtt_us"]))

    def test_ping_takes_the_beginning_of_an_id(self):
        self.assertIn("host-b  direct", self.expect(OK, self.a, "ping", self.id_of("host-b")[:6], "-c", "1").stdout)

    def test_ping_of_a_vm_asks_its_host(self):
        self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
        self.assertTrue(wait_for(lambda: self.b.rove("lookup", OTHER_IP).returncode == OK))
        for address in (OTHER_IP, OTHER_MAC):
            self.assertRegex(self.expect(OK, self.b, "ping", address, "-c", "1").stdout,
                             rf"^{address} at host-a  direct 10\.1\.0\.1:{PORT}  rtt ")
        local = self.expect(OK, self.a, "ping", OTHER_IP, "-c", "1").stdout
        self.assertIn(f"{OTHER_IP} at host-a, which is this host", local)
        answer = self.lines(self.a, "ping", OTHER_IP, "-c", "1")[0]
        self.assertEqual((answer["local"], answer["replied"], answer["vm"]), (True, False, OTHER_MAC))
        self.assertIn("host-a  is this host", self.expect(OK, self.a, "ping", "host-a", "-c", "1").stdout)

    def test_ping_without_a_reply_ends_with_3(self):
        self.b.daemon.send_signal(signal.SIGSTOP)
        try:
            result = self.expect(NOT_FOUND, self.a, "ping", "host-b", "-c", "2", "-i", "100ms", "--timeout", "200ms")
            self.assertEqual(result.stdout.splitlines(), ["host-b  no reply: no answer in time"] * 2 +
                             ["2 sent, 0 answered"])
            answer = self.lines(self.a, "ping", "host-b", "-c", "1", "--timeout", "200ms", status=NOT_FOUND)[0]
            self.assertEqual((answer["replied"], answer["why"]), (False, "no answer in time"))
        finally:
            self.b.daemon.send_signal(signal.SIGCONT)

    def test_ping_and_info_of_nobody_name_the_nearest(self):
        for verb in ("ping", "info"):
            result = self.expect(NOT_FOUND, self.a, verb, "hostb")
            self.assertEqual(result.stdout, "")
            self.assertIn(f"rove: {verb} hostb: no member is called so; near are: host-b", result.stderr)
            self.assertIn("try: rove peers", result.stderr)
        result = self.expect(NOT_FOUND, self.a, "ping", "10.77.0.99", "-c", "1")
        self.assertIn("try: rove lookup --trace 10.77.0.99", result.stderr)
        for arguments in (["ping"], ["info"], ["ping", "host-b", "-c", "none"], ["top", "-i", "1ms"]):
            self.expect(USAGE, self.a, *arguments)

    def test_ping_ends_when_told_and_sums_up(self):
        with subprocess.Popen(["ip", "netns", "exec", self.a.namespace, cli_test.ROVE, "ping", "host-b"], text=True,
                              stdout=subprocess.PIPE, env=self.a.environment) as process:
            self.assertIn("direct", process.stdout.readline())
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=5)[0]
        self.assertEqual(process.returncode, OK)
        self.assertRegex(rest, r"\d sent, \d answered; rtt min")

    def test_ping_that_waits_for_an_answer_ends_at_once_when_told(self):
        self.b.daemon.send_signal(signal.SIGSTOP)
        try:
            with subprocess.Popen(["ip", "netns", "exec", self.a.namespace, cli_test.ROVE, "ping", "host-b",
                                   "--timeout", "10s"], stdout=subprocess.PIPE, env=self.a.environment) as process:
                time.sleep(0.5)
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(5), NOT_FOUND)
                self.assertLess(time.monotonic() - began, 4)
        finally:
            self.b.daemon.send_signal(signal.SIGCONT)

    # -- info

    def test_info_shows_all_about_a_node(self):
        self.expect(OK, self.b, "claim", OTHER_MAC, OTHER_IP)
        known = lambda: OTHER_MAC in [vm["mac"] for vm in self.a.json("info", "host-b")["vms"]]
        self.assertTrue(wait_for(known), self.a.log())
        info = self.a.json("info", "host-b")
        self.assertEqual((info["schema"], info["name"], info["id"], info["self"], info["up"], info["path"]),
                         (1, "host-b", self.id_of("host-b"), False, True, "direct"))
        self.assertEqual((info["endpoint"], info["endpoint_why"]),
                         (f"10.1.0.2:{PORT}", "its datagrams come from there, and its node record tells it"))
        self.assertEqual((info["endpoints"], info["inner_mtu"]), ([f"10.1.0.2:{PORT}"], 1400))
        self.assertEqual(info["certificate"]["prefixes"], ["10.77.0.0/24"])
        self.assertGreater(info["certificate"]["expires_in_s"], 364 * 24 * 3600)
        self.assertLessEqual(info["session_age_ms"], info["up_ms"] + 1000)
        text = self.expect(OK, self.a, "info", self.id_of("host-b")[:8]).stdout
        self.assertIn(f"endpoint\t10.1.0.2:{PORT} (direct): its datagrams", text)
        self.assertIn(f"{OTHER_MAC}\t{OTHER_IP}\t", text)
        self.expect(OK, self.b, "release", OTHER_MAC)

    def test_info_of_this_node(self):
        info = self.a.json("info", "host-a")
        self.assertEqual((info["self"], info["traffic"], info["endpoints"]), (True, None, [f"10.1.0.1:{PORT}"]))
        self.assertIn("state\tthis node\n", self.expect(OK, self.a, "info", "host-a").stdout)

    def test_traffic_is_counted_by_peer_at_both_hosts(self):
        self.expect(OK, self.b, "claim", OTHER_MAC, OTHER_IP)
        self.assertTrue(wait_for(lambda: self.a.rove("lookup", OTHER_IP).returncode == OK))
        count = lambda host, name: host.json("info", name)["traffic"]
        sent, received = count(self.a, "host-b"), count(self.b, "host-a")
        self.vm_pings(OTHER_IP)
        more = lambda: count(self.a, "host-b")["frames_out"] - sent["frames_out"] >= 3
        self.assertTrue(wait_for(more), self.a.rove("info", "host-b").stdout)
        more = lambda: count(self.b, "host-a")["frames_in"] - received["frames_in"] >= 3
        self.assertTrue(wait_for(more), self.b.rove("info", "host-a").stdout)
        octets = count(self.a, "host-b")["octets_out"] - sent["octets_out"]
        self.assertGreater(octets, 3 * 98)
        peer = self.a.json("peers")["peers"][0]
        self.assertGreaterEqual(peer["traffic"]["octets_out"], octets)
        self.expect(OK, self.b, "release", OTHER_MAC)

    # -- top

    def test_top_prints_lines_where_there_is_no_terminal(self):
        lines = self.expect(OK, self.a, "top", "-c", "2", "-i", "200ms").stdout.splitlines()
        self.assertEqual(lines[0].split("\t")[:4], ["TIME", "PEER", "STATE", "RTT"])
        self.assertEqual([line.split("\t")[1] for line in lines[1:]], ["host-b", "(all)", "(tap)"] * 2)
        self.assertNotIn("\033", "".join(lines))
        samples = self.lines(self.a, "top", "-c", "2", "-i", "200ms")
        self.assertEqual([sample["schema"] for sample in samples], [1, 1])
        self.assertEqual(samples[0]["peers"][0]["name"], "host-b")
        self.assertTrue(150 < samples[1]["interval_ms"] < 5000, samples[1])

    def test_top_shows_what_flows(self):
        self.expect(OK, self.b, "claim", OTHER_MAC, OTHER_IP)
        self.assertTrue(wait_for(lambda: self.a.rove("lookup", OTHER_IP).returncode == OK))
        with subprocess.Popen(["ip", "netns", "exec", self.lab.namespaces[2], "ping", "-i", "0.05", OTHER_IP],
                              stdout=subprocess.DEVNULL) as ping:
            flows = lambda: self.lines(self.a, "top", "-c", "1", "-i", "500ms")[0]
            try:
                self.assertTrue(wait_for(lambda: flows()["total"]["frames_out_per_s"] > 5), flows())
            finally:
                ping.kill()
        self.expect(OK, self.b, "release", OTHER_MAC)

    def test_top_leaves_the_terminal_as_it_was(self):
        for keys in (b"q", b"\x03"):
            with self.subTest(keys=keys):
                top = self.terminal("top", "-i", "200ms")
                self.assertTrue(top.read_until("(all)"), top.shown)
                self.assertIn("\033[?1049h", top.shown)
                self.assertRegex(top.shown, r"rove demo.*  node host-a  .*q quits")
                self.assertFalse(top.settings()[3] & termios.ECHO)
                top.press(keys)
                self.assertEqual(top.process.wait(5), OK)
                self.assertTrue(top.read_until(LEAVE_SCREEN), top.shown)
                self.assertEqual(top.settings(), top.before)

    def test_top_ends_with_the_daemon_and_says_so(self):
        top = self.terminal("top", "-i", "200ms")
        self.assertTrue(top.read_until("(all)"), top.shown)
        self.a.stop()
        self.assertEqual(top.process.wait(10), NOT_RUNNING)
        self.assertTrue(top.read_until("try: rove up demo"), top.shown)
        self.assertLess(top.shown.index(LEAVE_SCREEN), top.shown.index("rove: reach the daemon"))
        self.assertEqual(top.settings(), top.before)

    # -- lookup --trace

    def test_lookup_traces_its_steps(self):
        self.expect(OK, self.b, "claim", OTHER_MAC, OTHER_IP)
        self.assertTrue(wait_for(lambda: self.a.rove("lookup", OTHER_IP).returncode == OK))
        found = self.a.json("lookup", OTHER_IP, "--trace", "--refresh")
        steps = found["trace"]["steps"]
        kinds = [step["step"] for step in steps]
        self.assertEqual((kinds[:3], kinds[-2:]), (["cache", "session", "asked"], ["done", "decided"]), kinds)
        answers = [step for step in steps if step["step"] == "answer"]
        self.assertTrue(answers, steps)
        for answer in answers:
            self.assertEqual((answer["node"], answer["verified"]), ("host-b", True))
        self.assertIn(found["sequence"], [answer["sequence"] for answer in answers])
        self.assertEqual([step["at_us"] for step in steps], sorted(step["at_us"] for step in steps))
        self.assertTrue(found["why"])
        text = self.expect(OK, self.a, "lookup", OTHER_IP, "--trace").stdout
        self.assertRegex(text, r"^AT\tSTEP\tFROM\tCLAIM OF\tSEQUENCE\tVERIFIED\tVERDICT\n\+0\.00ms\tcache\t")
        self.assertIn("\nwhy\tit is the only claim\n", text)
        self.assertNotIn("trace", self.a.json("lookup", OTHER_IP))
        self.expect(OK, self.b, "release", OTHER_MAC)

    def test_lookup_traces_why_nothing_was_found(self):
        answer = json.loads(self.expect(NOT_FOUND, self.a, "lookup", "10.77.0.98", "--trace", "--json").stdout)
        self.assertEqual((answer["found"], answer["why"]), (False, "nobody claims it"))
        self.assertEqual(answer["trace"]["steps"][-1]["step"], "decided")

    # -- status

    def test_status_says_how_it_is_first_and_then_one_line_a_peer(self):
        text = self.expect(OK, self.a, "status").stdout
        self.assertTrue(text.startswith("health\tok\n"), text)
        self.assertRegex(text, rf"\n\nPEER\tSTATE\tPATH\tRTT\t.*\nhost-b\tup\tdirect 10\.1\.0\.2:{PORT}\t")
        status = self.a.json("status")
        self.assertEqual((status["problems"], status["health"]), ([], []))
        self.assertEqual([peer["name"] for peer in status["peer_list"]], ["host-b"])
        self.assertEqual(status["peers"], {"up": 1, "known": 1})
        self.assertLess(abs(status["time_ms"] / 1000 - time.time()), 30)

    def test_status_has_a_remedy_for_each_problem(self):
        self.b.stop()
        lost = lambda: not self.a.json("status")["usable"]
        # Its own bootstrap node is itself: without host-b nobody answers.
        self.assertTrue(wait_for(lost, 60), self.a.rove("status").stdout)
        status = self.a.json("status")
        self.assertEqual([problem["what"] for problem in status["health"]], status["problems"])
        self.assertTrue(all(problem["remedy"] for problem in status["health"]), status["health"])
        self.assertRegex(self.expect(OK, self.a, "status").stdout,
                         r"^problem: no other node answers: .*\n    try: .*7683")

    # -- without a daemon

    def test_without_a_daemon_every_verb_says_so(self):
        self.a.stop()
        for verb in (["ping", "host-b"], ["ping", VM_IP], ["info", "host-b"], ["top"], ["lookup", VM_MAC, "--trace"]):
            with self.subTest(verb=verb):
                result = self.expect(NOT_RUNNING, self.a, *verb)
                self.assertEqual(result.stdout, "")
                self.assertIn("try: rove up demo", result.stderr)


def main():
    Observe.rove = os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIP if result.skipped else 0)


if __name__ == "__main__":
    main()
