#!/usr/bin/env python3
"""What an operator sees: every verb of the real binary on two hosts, and every refusal with its exit status.
Usage: cli_test.py ROVE

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0]
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

SKIP = 77
PORT = 7683
VM_MAC = "02:00:5e:10:00:05"
VM_IP = "10.77.0.5"
OTHER_MAC = "02:00:5e:10:00:09"
OTHER_IP = "10.77.0.9"
OK, FAILURE, USAGE, NOT_FOUND, CONFLICT, NOT_RUNNING = range(6)

ROVE = None  # the binary
LAB = None


def wait_for(condition, seconds=15):
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


class Host:
    """A namespace with directories of its own, and perhaps a daemon."""

    def __init__(self, lab, name):
        self.name = name
        self.namespace = f"{lab.id}-{name}"
        self.directory = os.path.join(lab.directory, name)
        self.daemon = None
        os.mkdir(self.directory)
        self.environment = dict(os.environ, ROVE_CONFIG_DIR=self.path("etc"), ROVE_STATE_DIR=self.path("state"),
                                ROVE_RUN_DIR=self.path("run"))

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def rove(self, *arguments, user=None, environment=None):
        """Runs a verb to its end; as `user` without any group but its own."""
        become = []
        if user:
            become = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
        return subprocess.run(["ip", "netns", "exec", self.namespace, *become, ROVE, *arguments], capture_output=True,
                              text=True, timeout=40, check=False, env=dict(self.environment, **(environment or {})))

    @contextlib.contextmanager
    def watch(self, *arguments):
        """`rove watch`, from its first line on."""
        with subprocess.Popen(["ip", "netns", "exec", self.namespace, ROVE, "watch", *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment) as process:
            try:
                process.stdout.readline()
                yield process
            finally:
                process.kill()

    def json(self, *arguments):
        result = self.rove(*arguments, "--json")
        assert result.stdout, f"{self.name}: rove {' '.join(arguments)}: {result.stderr}"
        return json.loads(result.stdout)

    def start(self, *arguments, environment=None):
        """Starts the daemon of `demo`, which answers from here on: long before it is usable."""
        with open(self.path("log"), "ab") as log:
            self.daemon = subprocess.Popen(["ip", "netns", "exec", self.namespace, ROVE, "up", *arguments], stderr=log,
                                           env=dict(self.environment, **(environment or {})))
        ended = lambda: self.daemon.poll() is not None
        assert wait_for(lambda: ended() or self.answers()) and not ended(), f"{self.name} does not start: {self.log()}"

    def answers(self):
        """Whether somebody listens at the control socket: what a daemon that was killed left does not count."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.socket()) == 0

    def stop(self, number=signal.SIGTERM):
        """Ends the daemon and returns its exit status."""
        if self.daemon is None:
            return None
        self.daemon.send_signal(number)
        status = self.daemon.wait(20)
        self.daemon = None
        return status

    def log(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return file.read()

    def socket(self):
        return self.path("run", "demo.sock")


class Lab:
    """Two hosts on one wire, and a VM beside the first."""

    def __init__(self):
        self.id = f"rovecli{os.getpid()}"
        self.directory = tempfile.mkdtemp(prefix="rove-cli-")
        os.chmod(self.directory, 0o755)
        self.namespaces = []
        self.hosts = []

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    def add_namespace(self, name):
        self.ip("netns", "add", f"{self.id}-{name}")
        self.namespaces.append(f"{self.id}-{name}")
        self.ip("-n", f"{self.id}-{name}", "link", "set", "lo", "up")

    def up(self):
        for name in ("a", "b", "vm"):
            self.add_namespace(name)
        a, b, vm = self.namespaces
        self.ip("-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
        for namespace, address in ((a, "10.1.0.1/24"), (b, "10.1.0.2/24")):
            self.ip("-n", namespace, "address", "add", address, "dev", "eth0")
            self.ip("-n", namespace, "link", "set", "eth0", "up")
        self.ip("-n", a, "link", "add", "br0", "type", "bridge")
        self.ip("-n", a, "link", "set", "br0", "up")
        self.ip("-n", a, "link", "add", "vm0", "type", "veth", "peer", "name", "eth0", "address", VM_MAC, "netns", vm)
        self.ip("-n", a, "link", "set", "vm0", "master", "br0", "up")
        self.ip("-n", vm, "address", "add", f"{VM_IP}/24", "dev", "eth0")
        self.ip("-n", vm, "link", "set", "eth0", "up")
        self.hosts = [Host(self, "a"), Host(self, "b")]

    def join_both(self):
        """The network `demo` of both hosts, with a bridge at b too, and b's own address 10.77.0.250 in it."""
        a, b = self.hosts
        for command in (["init", "demo", "--subnet", "10.77.0.0/24", "--node", "a", "--bootstrap", f"10.1.0.1:{PORT}"],
                        ["enroll", "b", "-o", self.directory + "/b.rove"]):
            assert a.rove(*command).returncode == 0, command
        assert b.rove("join", self.directory + "/b.rove").returncode == 0
        for host in (a, b):
            with open(host.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
                text = file.read()
                file.seek(0)
                file.write('bridge = "br0"\n' + text)  # ahead of the file's tables
        self.ip("-n", b.namespace, "link", "add", "br0", "type", "bridge")
        self.ip("-n", b.namespace, "link", "set", "br0", "up")
        self.ip("-n", b.namespace, "address", "add", "10.77.0.250/24", "dev", "br0")

    def down(self):
        for host in self.hosts:
            with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
                host.stop(signal.SIGKILL)
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)


class Case(unittest.TestCase):
    """With the hosts at hand, and a check of how a verb ended."""

    maxDiff = None

    def setUp(self):
        self.a, self.b = LAB.hosts

    def expect(self, status, host, *arguments, **keywords):
        result = host.rove(*arguments, **keywords)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        if status == OK:
            self.assertNotIn("rove: ", result.stderr)
        else:
            self.assertTrue(result.stderr.startswith("rove: "), result.stderr)
        return result


class Stage1Files(Case):
    """Networks and nodes are made of files; no daemon runs yet."""

    def test_1_init_makes_a_network_once(self):
        result = self.expect(OK, self.a, "init", "demo", "--subnet", "10.77.0.0/24", "fd00:77::/64", "--node", "a",
                             "--bootstrap", f"10.1.0.1:{PORT}")
        for name in ("demo.ca.pem", "demo.node.pem", "demo.toml"):
            self.assertIn(self.a.path("etc", name), result.stdout)
        for name in ("demo.ca.pem", "demo.node.pem"):
            self.assertEqual(stat.S_IMODE(os.stat(self.a.path("etc", name)).st_mode), 0o600)
        with open(self.a.path("etc", "demo.node.pem"), encoding="ascii") as file:
            before = file.read()
        self.expect(CONFLICT, self.a, "init", "demo", "--subnet", "10.78.0.0/24")
        with open(self.a.path("etc", "demo.node.pem"), encoding="ascii") as file:
            self.assertEqual(file.read(), before)

    def test_2_enroll_and_join_make_a_second_node(self):
        ticket = LAB.directory + "/b.rove"
        self.expect(OK, self.a, "enroll", "b", "-o", ticket)
        self.assertEqual(stat.S_IMODE(os.stat(ticket).st_mode), 0o600)
        self.expect(CONFLICT, self.a, "enroll", "b", "-o", ticket)
        self.expect(USAGE, self.b, "enroll", "c", "-o", LAB.directory + "/c.rove")
        self.expect(USAGE, self.b, "join", LAB.directory + "/nothing")
        self.expect(OK, self.b, "join", ticket)
        self.expect(OK, self.b, "join", ticket)

    def test_3_check_finds_what_is_wrong_and_where(self):
        self.expect(OK, self.a, "check")
        self.assertEqual(self.a.json("check")["node"], "a")
        broken = self.a.path("broken.toml")
        with open(broken, "w", encoding="ascii") as file:
            file.write('tap = "rove0"\nbrige = "br0"\nlisten = "here"\n')
        result = self.expect(USAGE, self.a, "check", "--config", broken)
        self.assertIn(f'{broken}:2: unknown key "brige"; did you mean "bridge"?', result.stderr)
        self.assertIn(f"{broken}:3: listen", result.stderr)
        self.expect(USAGE, self.a, "up", "--config", broken)
        self.expect(USAGE, self.a, "check", "no-such-network")

    def test_4_check_refuses_a_key_that_others_may_read(self):
        credential = self.a.path("etc", "demo.node.pem")
        os.chmod(credential, 0o644)
        result = self.expect(USAGE, self.a, "check")
        os.chmod(credential, 0o600)
        self.assertIn(f"try: chmod 600 {credential}", result.stderr)

    def test_5_without_a_daemon_every_verb_says_so(self):
        for verb in (["status"], ["peers"], ["vms"], ["lookup", VM_IP], ["timeline", VM_IP], ["watch"],
                     ["claim", OTHER_MAC], ["release", OTHER_MAC], ["down"], ["wait", "--timeout", "100ms"],
                     ["pcap"]):
            with self.subTest(verb=verb):
                result = self.expect(NOT_RUNNING, self.a, *verb)
                self.assertIn("try: rove up demo", result.stderr)

    def test_6_usage_errors(self):
        for arguments in ([], ["lokup", VM_IP], ["lookup"], ["lookup", "vm"], ["timeline"], ["status", "--jason"],
                          ["claim", "1:2"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.a.rove(*arguments).returncode, USAGE)
        empty = self.expect(USAGE, self.a, "status", environment={"ROVE_CONFIG_DIR": self.a.path("nowhere")})
        self.assertIn("rove init", empty.stderr)

    def test_7_version_and_help(self):
        self.assertRegex(self.expect(OK, self.a, "version").stdout, r"^rove \d+\.\d+\.\d+")
        self.assertEqual(self.a.json("version")["schema"], 1)
        self.assertIn("lookup", self.expect(OK, self.a, "--help").stdout)

    def test_8_without_permission_for_tap_devices(self):
        etc = self.a.path("nobody")
        shutil.copytree(self.a.path("etc"), etc)
        for directory in (etc, self.a.path("nobody-run"), self.a.path("nobody-state")):
            os.makedirs(directory, exist_ok=True)
            shutil.chown(directory, "nobody")
        for name in os.listdir(etc):
            shutil.chown(os.path.join(etc, name), "nobody")
        result = self.expect(FAILURE, self.a, "up", user="nobody",
                             environment={"ROVE_CONFIG_DIR": etc, "ROVE_RUN_DIR": self.a.path("nobody-run"),
                                          "ROVE_STATE_DIR": self.a.path("nobody-state")})
        self.assertRegex(result.stderr, "tun|rove0")
        self.assertRegex(result.stderr, "[Pp]ermission denied|not permitted")
        self.assertRegex(result.stderr, "root|CAP_NET_ADMIN")

    def test_9_a_port_that_is_taken(self):
        with socket_in(self.a.namespace) as port:
            result = self.expect(FAILURE, self.a, "up", "--listen", str(port))
        self.assertIn(str(port), result.stderr)
        self.assertIn("--listen", result.stderr)


@contextlib.contextmanager
def socket_in(namespace):
    """A UDP port that somebody else holds in the namespace."""
    holder = "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('0.0.0.0',0));" \
             "print(s.getsockname()[1],flush=True);sys.stdin.read()"
    with subprocess.Popen(["ip", "netns", "exec", namespace, sys.executable, "-c", holder], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


class Stage2Daemons(Case):
    """Both daemons run."""

    @classmethod
    def setUpClass(cls):
        a, b = LAB.hosts
        with open(a.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
            text = file.read()
            file.seek(0)
            file.write('bridge = "br0"\n' + text)
        a.start()
        b.start("demo")
        for host in (a, b):
            result = host.rove("wait", "--timeout", "30s")
            if result.returncode != OK:
                raise AssertionError(f"{host.name}: {result.stderr}{host.log()}")

    def test_01_status(self):
        status = self.b.json("status")
        self.assertEqual((status["schema"], status["network"], status["node"]), (1, "demo", "b"))
        self.assertTrue(status["usable"])
        self.assertTrue(status["location"]["connected"])
        self.assertEqual(status["endpoints"], [f"10.1.0.2:{PORT}"])
        self.assertEqual(status["problems"], [])
        self.assertGreater(status["counters"]["peers"]["sealed_opened"], 0)
        text = self.expect(OK, self.b, "status").stdout
        self.assertIn("network\tdemo\n", text)
        self.assertNotIn("\033", text)
        self.assertIn("sealed_opened", self.expect(OK, self.b, "status", "--counters").stdout)

    def test_01b_memory_at_rest(self):
        for host in (self.a, self.b):
            with open(f"/proc/{host.daemon.pid}/status", encoding="ascii") as file:
                resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
            self.assertLess(resident, 64 << 10, "kB")

    def test_02_a_second_daemon_is_refused(self):
        result = self.expect(FAILURE, self.a, "up")
        self.assertIn("runs already", result.stderr)
        self.assertIn("try: rove status -n demo", result.stderr)

    def test_03_an_unknown_address_is_not_found(self):
        for address in ("10.77.0.77", "02:00:5e:77:77:77", "fd00:77::77"):
            with self.subTest(address=address):
                result = self.expect(NOT_FOUND, self.b, "lookup", address)
                self.assertEqual(result.stdout, "")
                answer = self.b.rove("lookup", address, "--json")
                self.assertEqual(answer.returncode, NOT_FOUND)
                self.assertEqual(json.loads(answer.stdout)["found"], False)

    def test_04_a_claim_is_found_everywhere_until_it_is_released(self):
        self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
        self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
        for host in LAB.hosts:
            for address in (OTHER_IP, OTHER_MAC):
                answer = host.json("lookup", address, "--refresh")
                self.assertEqual((answer["found"], answer.get("node")), (True, "a"), answer)
                self.assertEqual((answer["mac"], answer["ips"]), (OTHER_MAC, [OTHER_IP]))
        self.assertIn("\twins\n", self.expect(OK, self.b, "lookup", OTHER_IP).stdout)
        claimed = [vm for vm in self.a.json("vms")["vms"] if vm["mac"] == OTHER_MAC]
        self.assertEqual([(vm["state"], vm["pinned"]) for vm in claimed], [("live", True)])
        self.expect(OK, self.a, "release", OTHER_MAC)
        self.expect(OK, self.a, "release", OTHER_MAC)
        gone = lambda: self.b.rove("lookup", OTHER_IP, "--refresh").returncode == NOT_FOUND
        self.assertTrue(wait_for(gone, 5), "b still finds a released claim")

    def test_05_a_claim_that_the_certificate_does_not_allow(self):
        result = self.expect(CONFLICT, self.a, "claim", OTHER_MAC, "10.99.0.1")
        self.assertIn("certificate", result.stderr)
        self.expect(USAGE, self.a, "claim", "01:00:5e:00:00:01")

    def test_06_a_vm_that_talks_is_learned(self):
        vm = LAB.namespaces[2]
        subprocess.run(["ip", "netns", "exec", vm, "ping", "-c", "1", "-W", "1", "10.77.0.1"], check=False,
                       capture_output=True)
        mine = lambda: [each for each in self.a.json("vms")["vms"] if each["mac"] == VM_MAC]
        self.assertTrue(wait_for(lambda: mine() and VM_IP in mine()[0]["ips"]), self.a.log())
        self.assertEqual((mine()[0]["state"], mine()[0]["pinned"]), ("live", False))
        found = lambda: self.b.rove("lookup", VM_IP, "--refresh").returncode == OK
        self.assertTrue(wait_for(found), self.a.log())
        self.assertEqual(self.b.json("lookup", VM_IP)["node"], "a")

    def test_07_peers(self):
        self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
        self.b.rove("lookup", OTHER_IP)
        up = lambda: [peer["name"] for peer in self.b.json("peers")["peers"] if peer["up"]] == ["a"]
        self.assertTrue(wait_for(up), self.b.rove("peers", "--json").stdout)
        self.assertRegex(self.expect(OK, self.b, "peers").stdout, rf"\na\tup\t10\.1\.0\.1:{PORT}\t")

    def test_07b_a_move_has_a_timeline_at_both_hosts(self):
        self.expect(OK, self.b, "claim", OTHER_MAC, OTHER_IP)
        left = lambda: self.a.json("timeline", OTHER_MAC)["moves"][-1]
        self.assertTrue(wait_for(lambda: left()["kind"] == "moved-away"), self.a.log())
        self.assertEqual((left()["peer"], left()["end"]), ("b", None))
        here = lambda: self.b.json("timeline", OTHER_IP)
        self.assertTrue(wait_for(lambda: here()["moves"][-1]["ack_us"] is not None), self.b.log())
        self.assertEqual(here()["mac"], OTHER_MAC)
        move = here()["moves"][-1]
        self.assertEqual((move["kind"], move["peer"], move["signal"], move["end"]),
                         ("moved-here", "a", "operator", None))
        self.assertLessEqual(move["claim_us"], move["push_us"])
        self.assertLess(move["push_us"], move["ack_us"])
        self.assertLess(abs(move["began_ms"] / 1000 - time.time()), 30)
        self.assertRegex(self.expect(OK, self.b, "timeline", OTHER_MAC).stdout, "\tmoved-here\ta\toperator\t")

    def test_07c_a_vm_that_was_never_here_has_no_timeline(self):
        for vm in ("10.77.0.77", "02:00:5e:77:77:77"):
            result = self.expect(NOT_FOUND, self.b, "timeline", vm)
            self.assertEqual(result.stdout, "")
            answer = self.b.rove("timeline", vm, "--json")
            self.assertEqual(answer.returncode, NOT_FOUND)
            self.assertEqual(json.loads(answer.stdout)["moves"], [])

    def test_07d_watchers_hear_of_a_move(self):
        with self.b.watch("--json") as events, self.b.watch() as lines:
            self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
            heard = []
            while not heard or heard[-1]["event"] != "vm-moved-away":
                heard.append(json.loads(events.stdout.readline()))
            self.assertEqual((heard[-1]["schema"], heard[-1]["peer"], heard[-1]["vm"]), (1, "a", OTHER_MAC))
            line = lines.stdout.readline()
            while " vm-moved-away " not in line:
                line = lines.stdout.readline()
            self.assertIn(f" vm-moved-away peer=a vm={OTHER_MAC} seq=", line)
            events.send_signal(signal.SIGINT)
            self.assertEqual(events.wait(5), -signal.SIGINT)
        self.expect(OK, self.b, "status")

    def test_07e_a_watcher_that_stands_still_does_not_stop_the_daemon(self):
        with self.a.watch("--json") as events:
            events.send_signal(signal.SIGSTOP)
            lost = lambda: self.a.json("status")["counters"]["daemon"]["watch_events_lost"] > 0
            # Each claim and release makes a few events of about 150 octets.
            request = json.dumps({"verb": "claim", "args": {"mac": "02:00:5e:20:00:01", "ips": []}}) + "\n" + \
                json.dumps({"verb": "release", "args": {"mac": "02:00:5e:20:00:01"}}) + "\n"
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(self.a.socket())
                answers = client.makefile(encoding="utf-8")
                for _ in range(100):
                    client.sendall(request.encode() * 20)
                    for _ in range(40):
                        self.assertTrue(json.loads(answers.readline())["ok"])
                    if lost():
                        break
            self.assertTrue(lost())
            events.send_signal(signal.SIGCONT)
            missed = 0
            while missed == 0:
                event = json.loads(events.stdout.readline())
                missed = event["count"] if event["event"] == "events-lost" else 0
        self.assertGreater(missed, 0)

    def test_08_the_socket_is_for_root_and_the_group(self):
        info = os.stat(self.a.socket())
        self.assertEqual(stat.S_IMODE(info.st_mode), 0o660)
        for verb in ("status", "down"):
            self.expect(CONFLICT, self.a, verb, user="nobody")
        # Even when somebody opened the socket to all, strangers are refused, by who they are.
        os.chmod(self.a.socket(), 0o666)
        try:
            result = self.expect(CONFLICT, self.a, "status", user="nobody")
            self.assertIn("not permitted for uid", result.stderr)
            self.expect(CONFLICT, self.a, "down", user="nobody")
        finally:
            os.chmod(self.a.socket(), 0o660)
        self.assertGreaterEqual(self.a.json("status")["counters"]["daemon"]["control_denied"], 2)

    def test_09_nonsense_on_the_socket_ends_the_connection_only(self):
        for text in (b"\n", b"GET / HTTP/1.0\r\n", b"{}\n", b"\xff" * 1000 + b"\n", b"[" * 70000):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(self.a.socket())
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.sendall(text)
                    while client.recv(65536):
                        pass
        self.expect(OK, self.a, "status")

    def test_10_hangup_reloads_the_log_level(self):
        path = self.b.path("etc", "demo.toml")
        with open(path, "r+", encoding="utf-8") as file:
            text = file.read()
            file.seek(0)
            file.write('log_level = "debug"\n' + text)
        self.b.daemon.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "reloaded key=log_level from=info to=debug" in self.b.log()), self.b.log())
        with open(path, "w", encoding="utf-8") as file:
            file.write("log_level = 7\n")
        self.b.daemon.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "not-reloaded" in self.b.log()), self.b.log())
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.expect(OK, self.b, "status")

    def test_11_an_unclean_death_leaves_nothing_in_the_way(self):
        self.a.stop(signal.SIGKILL)
        self.expect(NOT_RUNNING, self.a, "status")
        self.assertTrue(os.path.exists(self.a.socket()))
        self.a.start()
        self.expect(OK, self.a, "wait", "--timeout", "30s")
        # What it claims from now on wins at once, although its stamps and sequences were cut off.
        self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
        found = lambda: self.b.rove("lookup", OTHER_IP, "--refresh").returncode == OK
        self.assertTrue(wait_for(found, 10), self.b.log())

    def test_12_down_ends_the_daemon_and_its_devices(self):
        self.expect(OK, self.a, "down")
        self.assertEqual(self.a.daemon.wait(5), OK)
        self.a.daemon = None
        self.assertFalse(os.path.exists(self.a.socket()))
        links = subprocess.run(["ip", "-n", self.a.namespace, "link"], capture_output=True, text=True, check=True)
        self.assertNotIn("rove0", links.stdout)
        self.expect(NOT_RUNNING, self.a, "down")
        gone = lambda: self.b.rove("lookup", OTHER_IP, "--refresh").returncode == NOT_FOUND
        self.assertTrue(wait_for(gone), "the claims of a node that went down are withdrawn")

    def test_13_a_lost_peer_is_told_and_sigterm_is_clean(self):
        lost = lambda: not self.b.json("status")["usable"]
        self.assertTrue(wait_for(lost, 60), self.b.rove("status").stdout)
        self.assertIn("problem: no other node answers", self.expect(OK, self.b, "status").stdout)
        self.expect(NOT_FOUND, self.b, "wait", "--timeout", "200ms")
        with self.b.watch() as watcher:
            self.assertEqual(self.b.stop(), OK)
            errors = watcher.communicate(timeout=5)[1]
            self.assertEqual(watcher.returncode, NOT_RUNNING, errors)
            self.assertIn("it went away", errors)
        self.assertIn("stopping reason=SIGTERM", self.b.log())
        self.assertTrue(os.path.exists(self.b.path("state", "demo", "state")))

    def test_14_a_daemon_that_loses_its_device_says_so_and_fails(self):
        self.b.start()
        self.assertTrue(wait_for(lambda: self.b.rove("status").returncode == OK), self.b.log())
        LAB.ip("-n", self.b.namespace, "link", "delete", "rove0")
        self.assertEqual(self.b.daemon.wait(10), FAILURE)
        self.b.daemon = None
        self.assertIn("packet-path-lost reason=", self.b.log())
        self.assertIn("rove: packet path: ", self.b.log())

    def test_15_the_service_manager_hears_ready_when_usable_not_before(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = self.b.path("notify")
            manager.bind(path)
            manager.settimeout(30)

            def heard_until(word):
                heard = ""
                while word not in heard:
                    heard += manager.recv(4096).decode() + "\n"
                return heard

            self.b.start(environment={"NOTIFY_SOCKET": path})
            # Its one bootstrap node is down: it asks for patience.
            self.assertNotIn("READY=1", heard_until("EXTEND_TIMEOUT_USEC="))
            self.expect(NOT_FOUND, self.b, "wait", "--timeout", "500ms")
            self.a.start()
            self.assertIn("STATUS=usable", heard_until("READY=1"))
            self.expect(OK, self.b, "wait", "--timeout", "1s")
            self.a.stop()
            self.b.stop()
            heard_until("STOPPING=1")


def run_in_lab(test, make_lab=Lab):
    """Ends the program as `test` says: it gets the lab, and returns whether all was well. SKIP where not permitted."""
    global ROVE, LAB  # pylint: disable=global-statement
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("skipped: needs root and /dev/net/tun")
        sys.exit(SKIP)
    LAB = make_lab()
    # A copy that other users may run, wherever the build lies.
    ROVE = shutil.copy(sys.argv.pop(1), os.path.join(LAB.directory, "rove"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        try:
            LAB.up()
        except subprocess.CalledProcessError as error:
            print(f"skipped: {' '.join(error.cmd)}: {error.stderr.strip()}")
            sys.exit(SKIP)
        good = test(LAB)
        if not good:
            for host in LAB.hosts:
                print(f"== log of {host.name}\n{host.log() if os.path.exists(host.path('log')) else ''}")
        sys.exit(0 if good else 1)
    finally:
        LAB.down()


def main(make_lab=Lab):
    run_in_lab(lambda _: unittest.main(exit=False, verbosity=2).result.wasSuccessful(), make_lab)


class Checks:
    """Prints each check as it is made."""

    def __init__(self):
        self.failed = 0

    def check(self, good, text):
        print(("ok    " if good else "FAIL  ") + text, flush=True)
        self.failed += not good


def run_checks(run, make_lab=Lab):
    """run_in_lab() with run(lab, checks)."""
    checks = Checks()

    def test(lab):
        run(lab, checks)
        return checks.failed == 0

    run_in_lab(test, make_lab)


if __name__ == "__main__":
    main()
