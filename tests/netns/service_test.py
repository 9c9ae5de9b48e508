#!/usr/bin/env python3
"""What service managers and monitoring see of a real daemon: metrics and health, the documents about them, readiness
and watchdog, the journal, log levels and reloading.
Usage: service_test.py ROVE [--print-metrics]

    vm ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0]

With --print-metrics it prints the table of docs/metrics.md as the daemon would have it, and ends.
"""

import contextlib
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import CONFLICT, FAILURE, NOT_RUNNING, OK, PORT, SKIP, USAGE, Case, Lab, wait_for

METRICS_PORT = 9683
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLONE_NEWNET = 0x40000000
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # wait for threads too

LIBC = ctypes.CDLL(None, use_errno=True)
# Prometheus' text format 0.0.4, strictly.
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+)\})?'
                    r" ([0-9.e+-]+|\+Inf)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
TYPES = {"counter", "gauge", "histogram"}


@contextlib.contextmanager
def inside(namespace):
    """This thread in the network namespace."""
    with open("/proc/thread-self/ns/net", "rb") as here, open(f"/run/netns/{namespace}", "rb") as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            LIBC.setns(here.fileno(), CLONE_NEWNET)


class UnixConnection(http.client.HTTPConnection):
    """HTTP through a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(host, path, method="GET", where=("127.0.0.1", METRICS_PORT)):
    """Status, headers and body."""
    with inside(host.namespace):
        connection = UnixConnection(where) if isinstance(where, str) else http.client.HTTPConnection(*where, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()


class Family:
    """A metric: its help, its type, its labels, and its samples."""

    def __init__(self, name, text):
        self.name, self.help, self.type, self.samples = name, text, None, []

    @property
    def labels(self):
        return sorted({label for _, labels, _ in self.samples for label in labels if label != "le"})

    def row(self):
        labels = ", ".join(f"`{label}`" for label in self.labels)
        return f"| `{self.name}` | {self.type} | {labels} | {self.help} |".replace("|  |", "| |")


def parse(text):
    """The families, or an AssertionError at what is not as the format says."""
    families, current = {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in families, f"{name} comes twice"
            current = families[name] = Family(name, words)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current.name and kind in TYPES and current.type is None, line
            current.type = kind
        else:
            match = SAMPLE.match(line)
            assert match and current.type, line
            suffixes = ("_bucket", "_sum", "_count") if current.type == "histogram" else ("",)
            assert match[1] in [current.name + suffix for suffix in suffixes], line
            current.samples.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
    for family in families.values():
        assert family.samples and family.help and family.type, family.name
        assert (family.type == "counter") == family.name.endswith("_total"), family.name
        keys = [(name, tuple(labels.items())) for name, labels, _ in family.samples]
        assert len(set(keys)) == len(keys), f"{family.name}: a sample comes twice"
        if family.type == "histogram":
            counts = [value for name, _, value in family.samples if name.endswith("_bucket")]
            assert counts == sorted(counts), f"{family.name} is not cumulative"
    return families


def value_of(families, name, **labels):
    for _, found, value in families[name].samples:
        if all(found.get(key) == wanted for key, wanted in labels.items()):
            return value
    raise AssertionError(f"no {name} {labels}")


def scrape(host):
    status, _, text = ask(host, "/metrics")
    assert status == 200, (status, text)
    return parse(text)


def documented():
    """name -> row of the table in docs/metrics.md, and what stands above it."""
    with open(os.path.join(SOURCE, "docs", "metrics.md"), encoding="utf-8") as file:
        above, table = file.read().split("\n## Every metric\n")
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    return {row.split("`")[1]: row for row in rows}, above


def configure(host, **keys):
    """Rewrites the host's configuration: its template, with these keys in front."""
    path = host.path("etc", "demo.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read().split("# --- the test's own end\n")[-1]
    own = {"bridge": '"br0"'} if host.name == "a" else {}
    lines = [f"{key} = {value}\n" for key, value in {**own, **keys}.items()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(lines) + "# --- the test's own end\n" + text)


def start(host, *arguments, **environment):
    host.start(*arguments, environment=environment)
    result = host.rove("wait", "--timeout", "30s")
    if result.returncode != OK:
        raise AssertionError(f"{host.name}: {result.stderr}{host.log()}")


class Manager:
    """A service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        os.unlink(self.path)

    def listen(self, seconds, until=None):
        """What comes within that time, or until a message has the word; one text for each message."""
        deadline, new = time.monotonic() + seconds, []
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                new.append(self._socket.recv(4096).decode())
            except TimeoutError:
                break
            if until and until in new[-1]:
                break
        self.heard += new
        return new


def thread_of(process, name):
    """The thread's id."""
    directory = f"/proc/{process.pid}/task"
    for task in os.listdir(directory):
        with open(f"{directory}/{task}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                return int(task)
    raise AssertionError(f"no thread {name}")


@contextlib.contextmanager
def stopped_thread(tid):
    """One thread stands still; its process goes on."""
    def trace(request):
        if LIBC.ptrace(request, tid, None, None) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    try:
        trace(PTRACE_SEIZE)
    except OSError as error:
        raise unittest.SkipTest(f"ptrace: {error}") from error
    trace(PTRACE_INTERRUPT)
    os.waitpid(tid, WALL)
    try:
        yield
    finally:
        trace(PTRACE_DETACH)


class Stage1Metrics(Case):
    """Host a serves metrics, and b is its peer."""

    @classmethod
    def setUpClass(cls):
        a, b = cli_test.LAB.hosts
        configure(a, metrics=METRICS_PORT)
        start(a)
        start(b)

    def test_1_metrics_are_what_status_tells(self):
        status, headers, text = ask(self.a, "/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        families = parse(text)
        self.assertEqual(value_of(families, "rove_node_info", network="demo", node="a"), 1)
        self.assertEqual(value_of(families, "rove_usable"), 1)
        self.assertEqual(value_of(families, "rove_problems"), 0)
        self.assertLess(abs(value_of(families, "rove_start_time_seconds") - time.time()), 60)
        self.assertGreater(value_of(families, "rove_certificate_expiry_timestamp_seconds"), time.time() + 300 * 86400)
        self.assertLess(value_of(families, "rove_packet_path_overdue_seconds"), 1)
        up = lambda: value_of(scrape(self.a), "rove_peers_up") == 1 and value_of(scrape(self.a), "rove_sessions") > 0
        self.assertTrue(wait_for(up), self.a.log())
        counters = self.a.json("status")["counters"]
        for group, values in counters.items():
            for name in values:
                with self.subTest(group=group, name=name):
                    if group == "drops":
                        value_of(families, "rove_drops_total", reason=name)
                    elif group == "offloads":
                        self.assertEqual(value_of(families, "rove_offload_active", offload=name), values[name])
                    else:
                        self.assertTrue({f"rove_{group}_{name}_total", f"rove_{group}_{name}"} & set(families))

    def test_2_counters_and_gauges_move(self):
        before = scrape(self.a)
        self.expect(OK, self.a, "claim", cli_test.OTHER_MAC, cli_test.OTHER_IP)
        try:
            more = lambda: value_of(scrape(self.a), "rove_vms_local") == value_of(before, "rove_vms_local") + 1
            self.assertTrue(wait_for(more, 5))
            after = scrape(self.a)
            for name in ("rove_node_pushes_sent_total", "rove_daemon_control_requests_total",
                         "rove_daemon_metrics_requests_total"):
                self.assertGreater(value_of(after, name), value_of(before, name), name)
        finally:
            self.a.rove("release", cli_test.OTHER_MAC)

    def test_3_prometheus_own_linter_has_nothing_to_say(self):
        if shutil.which("promtool") is None:
            self.skipTest("no promtool")
        _, _, text = ask(self.a, "/metrics")
        result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_4_the_documents_have_every_metric_and_no_other(self):
        served = {name: family.row() for name, family in scrape(self.a).items()}
        rows, above = documented()
        self.assertEqual(rows, served)
        alarms = re.findall(r"^\| `([^`]+)` ", above, re.MULTILINE)
        self.assertGreater(len(alarms), 5)
        for alarm in alarms:
            self.assertLessEqual(set(re.findall(r"\brove_[a-z_]+", alarm)), set(served), alarm)

    def test_5_the_dashboard_asks_for_metrics_that_there_are(self):
        families = scrape(self.a)
        names = {name for family in families.values() for name, _, _ in family.samples}
        with open(os.path.join(SOURCE, "docs", "grafana", "rove.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        queries += [variable["query"]["query"] for variable in dashboard["templating"]["list"]
                    if variable["type"] == "query"]
        self.assertGreater(len(queries), 20)
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        for query in queries:
            with self.subTest(query=query):
                asked = re.findall(r"\brove_[a-z_]+", query)
                self.assertTrue(asked)
                self.assertLessEqual(set(asked), names)

    def test_6_only_get_and_only_two_paths(self):
        self.assertEqual(ask(self.a, "/metrics", "POST")[0], 405)
        self.assertEqual(ask(self.a, "/")[0], 404)
        with inside(self.a.namespace), socket.create_connection(("127.0.0.1", METRICS_PORT), 10) as client:
            client.sendall(b"GET /" + b"x" * 9000)
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 431 "))
        counted = lambda: value_of(scrape(self.a), "rove_daemon_metrics_refused_total") >= 3
        self.assertTrue(wait_for(counted, 5))  # a report serves for 100 ms

    def test_7_idle_clients_stop_nobody(self):
        with inside(self.a.namespace), contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(socket.create_connection(("127.0.0.1", METRICS_PORT), 10))
            began = time.monotonic()
            self.expect(OK, self.a, "status")
            self.assertLess(time.monotonic() - began, 2)
            # Their time is over after five seconds.
            def served():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return ask(self.a, "/health")[0] == 200
                return False
            self.assertTrue(wait_for(served, 15))
        counted = lambda: value_of(scrape(self.a), "rove_daemon_metrics_clients_refused_total") >= 20
        self.assertTrue(wait_for(counted, 5))

    def test_8_nobody_elsewhere_reaches_the_loopback_address(self):
        with self.assertRaises(OSError):
            ask(self.b, "/metrics", where=("10.1.0.1", METRICS_PORT))
        self.assertNotIn("metrics-exposed", self.a.log())

    def test_9_health_tells_what_is_wrong(self):
        status, headers, text = ask(self.a, "/health")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(json.loads(text), {"schema": 1, "usable": True, "problems": []})
        with stopped_thread(thread_of(self.a.daemon, "rove-worker")):
            sick = lambda: "the packet path stands still" in ask(self.a, "/health")[2]
            self.assertTrue(wait_for(sick, 30))
            status, _, text = ask(self.a, "/health")
            self.assertEqual((status, json.loads(text)["usable"]), (503, False))
            self.assertIn("the packet path stands still", json.loads(text)["problems"][0])
            self.assertIn("problem: the packet path stands still", self.expect(OK, self.a, "status").stdout)
        well = lambda: ask(self.a, "/health")[0] == 200
        self.assertTrue(wait_for(well, 30), ask(self.a, "/health")[2])


class Stage2Settings(Case):
    """Log levels and reloading, at host a."""

    def reload(self, status=OK):
        result = self.expect(status, self.a, "reload", "--json")
        answer = json.loads(result.stdout)
        self.assertEqual((answer["schema"], answer["file"]), (1, self.a.path("etc", "demo.toml")))
        return {change["key"]: change["outcome"] for change in answer["changes"]}

    def test_1_the_log_level_is_shown_and_set(self):
        self.assertEqual(self.expect(OK, self.a, "log-level").stdout, "info\n")
        self.assertEqual(self.expect(OK, self.a, "log-level", "debug").stdout, "debug\n")
        self.assertEqual(self.a.json("log-level"), {"schema": 1, "log_level": "debug", "before": "debug"})
        self.assertIn("log-level from=info to=debug", self.a.log())
        self.expect(USAGE, self.a, "log-level", "loud")
        # The file's counts again.
        self.assertEqual(self.reload(), {"log_level": "applied"})
        self.assertEqual(self.expect(OK, self.a, "log-level").stdout, "info\n")

    def test_2_neither_is_for_others(self):
        os.chmod(self.a.socket(), 0o666)
        try:
            for verb in (["log-level"], ["log-level", "debug"], ["reload"]):
                self.expect(CONFLICT, self.a, *verb, user="nobody")
        finally:
            os.chmod(self.a.socket(), 0o660)

    def test_3_a_reload_tells_what_it_applied_and_what_needs_a_restart(self):
        self.assertEqual(self.expect(OK, self.a, "reload").stdout, "nothing has changed\n")
        configure(self.a, metrics=METRICS_PORT, log_level='"warn"', endpoints=f'["10.1.0.1:{PORT}", "192.0.2.1:7"]',
                  bootstrap=f'["10.1.0.2:{PORT}"]', pack="false", nice="0")
        self.assertEqual(self.reload(), {"log_level": "applied", "endpoints": "applied", "bootstrap": "applied",
                                         "pack": "needs-restart", "nice": "needs-restart"})
        self.assertEqual(self.a.json("status")["endpoints"], [f"10.1.0.1:{PORT}", "192.0.2.1:7"])
        self.assertEqual(self.expect(OK, self.a, "log-level").stdout, "warn\n")
        text = self.expect(OK, self.a, "reload").stdout
        self.assertEqual(text, "KEY\tFROM\tTO\tOUTCOME\tREASON\nnice\t-10\t0\tneeds-restart\t-\n"
                               "pack\ttrue\tfalse\tneeds-restart\t-\n")
        configure(self.a, metrics=METRICS_PORT)
        self.assertEqual(self.reload(), {"log_level": "applied", "endpoints": "applied", "bootstrap": "applied"})
        self.assertEqual(self.a.json("status")["endpoints"], [f"10.1.0.1:{PORT}"])

    def test_4_a_broken_file_changes_nothing(self):
        configure(self.a, metrics=METRICS_PORT, log_level='"debug"', brige='"br0"')
        result = self.expect(FAILURE, self.a, "reload")
        self.assertIn(f'{self.a.path("etc", "demo.toml")}:4: unknown key "brige"', result.stderr)
        self.assertIn("try: rove check", result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(self.expect(OK, self.a, "log-level").stdout, "info\n")
        self.assertIn("not-reloaded reason=", self.a.log())
        configure(self.a, metrics=METRICS_PORT)

    def test_5_metrics_move_and_end(self):
        path = self.a.path("run", "demo.metrics")
        configure(self.a, metrics=f'"unix:{path}"')
        self.assertEqual(self.reload(), {"metrics": "applied"})
        before = value_of(parse(ask(self.a, "/metrics", where=path)[2]), "rove_daemon_metrics_requests_total")
        self.assertGreater(before, 10)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        with self.assertRaises(ConnectionRefusedError):
            ask(self.a, "/metrics")
        configure(self.a, metrics='"10.1.0.1:9683"')
        self.assertEqual(self.reload(), {"metrics": "applied"})
        self.assertFalse(os.path.exists(path))
        self.assertEqual(ask(self.b, "/health", where=("10.1.0.1", METRICS_PORT))[0], 200)
        self.assertIn("warn metrics-exposed address=10.1.0.1:9683", self.a.log())
        configure(self.a)
        self.assertEqual(self.reload(), {"metrics": "applied"})
        with self.assertRaises(ConnectionRefusedError):
            ask(self.b, "/health", where=("10.1.0.1", METRICS_PORT))

    def test_6_an_address_that_is_taken_is_told_and_the_old_one_stays(self):
        configure(self.a, metrics=METRICS_PORT)
        self.assertEqual(self.reload(), {"metrics": "applied"})
        with inside(self.a.namespace), socket.create_server(("127.0.0.1", 9999)):
            configure(self.a, metrics="9999", log_level='"warn"')
            self.assertEqual(self.reload(FAILURE), {"metrics": "failed", "log_level": "applied"})
            result = self.expect(FAILURE, self.a, "reload")
            self.assertIn("metrics stays as it is", result.stderr)
            self.assertIn("another process listens there", result.stderr)
            self.assertIn("\tfailed\t", result.stdout)
        self.assertEqual(ask(self.a, "/health")[0], 200)
        configure(self.a, metrics=METRICS_PORT)
        self.assertEqual(self.reload(), {"log_level": "applied"})

    def test_7_the_control_group_is_another_at_once(self):
        path = self.a.path("run", "demo.metrics")
        configure(self.a, metrics=f'"unix:{path}"')
        self.assertEqual(self.reload(), {"metrics": "applied"})
        self.expect(CONFLICT, self.a, "status", user="daemon")
        with open(self.a.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
            text = file.read()
            file.write('\ngroup = "daemon"\ngroup_may_claim = true\n')
        self.assertEqual(self.reload(), {"control.group": "applied", "control.group_may_claim": "applied"})
        self.expect(OK, self.a, "status", user="daemon")
        self.expect(OK, self.a, "claim", "02:00:5e:20:00:02", user="daemon")
        self.expect(CONFLICT, self.a, "log-level", user="daemon")
        self.assertEqual(os.stat(path).st_gid, os.stat(self.a.socket()).st_gid)
        with open(self.a.path("etc", "demo.toml"), "w", encoding="utf-8") as file:
            file.write(text)
        self.assertEqual(self.reload(), {"control.group": "applied", "control.group_may_claim": "applied"})
        self.expect(CONFLICT, self.a, "status", user="daemon")

    def test_8_hangup_does_the_same(self):
        configure(self.a, pack="false", log_level='"debug"')
        self.a.daemon.send_signal(signal.SIGHUP)
        done = lambda: "reloaded key=log_level from=info to=debug outcome=applied" in self.a.log()
        self.assertTrue(wait_for(done), self.a.log())
        self.assertIn("reloaded key=pack from=true to=false outcome=needs-restart", self.a.log())
        configure(self.a)

    def test_9_without_a_daemon_both_say_so(self):
        self.a.stop()
        for verb in (["log-level"], ["reload"]):
            self.assertIn("try: rove up demo", self.expect(NOT_RUNNING, self.a, *verb).stderr)


class Stage3Manager(Case):
    """Host b under a service manager that is played here; host a is its peer."""

    def test_1_ready_status_reload_watchdog_stop(self):
        start(self.a)
        self.b.stop()
        with Manager(self.b.path("notify")) as manager:
            self.b.start(environment={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "2000000"})
            manager.listen(30, until="READY=1")
            self.assertIn("READY=1\nSTATUS=usable: ", manager.heard[-1])

            # Twice in each interval.
            fed = manager.listen(6).count("WATCHDOG=1")
            self.assertTrue(4 <= fed <= 8, manager.heard)

            began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.b.daemon.send_signal(signal.SIGHUP)
            heard = manager.listen(10, until="READY=1")
            reloading = [text for text in heard if text.startswith("RELOADING=1\nMONOTONIC_USEC=")]
            self.assertEqual(len(reloading), 1, heard)
            self.assertTrue(began <= int(reloading[0].split("=")[-1]) <= began + 10_000_000)
            self.assertTrue(heard[-1].startswith("READY=1\n"), heard)

            # One thread stands still, and nothing is told any more, although the control thread serves on.
            with stopped_thread(thread_of(self.b.daemon, "rove-worker")):
                manager.listen(1)  # what was under way
                self.assertNotIn("WATCHDOG=1", manager.listen(4))
                self.expect(OK, self.b, "status")
            self.assertIn("WATCHDOG=1", manager.listen(5, until="WATCHDOG=1"))

            # So it is when the control thread does.
            with stopped_thread(self.b.daemon.pid):
                manager.listen(0.5)
                self.assertNotIn("WATCHDOG=1", manager.listen(3))
            self.assertIn("WATCHDOG=1", manager.listen(5, until="WATCHDOG=1"))

            self.a.stop()
            heard = manager.listen(60, until="STATUS=not usable: no other node answers")
            self.assertIn("STATUS=not usable: no other node answers", heard[-1])
            self.b.stop()
            self.assertTrue(any(text.startswith("STOPPING=1") for text in manager.listen(2)))

    def test_2_reloaded_before_it_is_usable_it_is_not_called_ready(self):
        with Manager(self.b.path("notify")) as manager:
            self.b.start(environment={"NOTIFY_SOCKET": manager.path})  # host a is down
            manager.listen(30, until="EXTEND_TIMEOUT_USEC=")
            self.expect(OK, self.b, "reload")
            self.assertFalse([text for text in manager.listen(1) if "READY=1" in text or "RELOADING" in text])
            self.b.stop()

    def test_3_without_a_manager_nothing_is_missing(self):
        self.a.start()
        start(self.b)
        self.expect(OK, self.a, "wait", "--timeout", "30s")
        self.expect(OK, self.b, "status")


class Stage4Journal(Case):
    """Host b with the journal as its stderr: the socket is played here, in a mount namespace of its own."""

    def read(self, datagram):
        """The fields of sd_journal_send's protocol."""
        fields, rest = {}, datagram
        while rest:
            line, rest = rest.split(b"\n", 1)
            if b"=" in line:
                name, value = line.split(b"=", 1)
            else:  # NAME, size, value
                name, size = line, int.from_bytes(rest[:8], "little")
                value, rest = rest[8:8 + size], rest[8 + size + 1:]
            fields[name.decode()] = value.decode()
        return fields

    def test_events_come_with_fields(self):
        self.b.stop()
        directory = self.b.path("journal")
        os.mkdir(directory)
        log = os.open(self.b.path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        info = os.fstat(log)
        size = info.st_size
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(os.path.join(directory, "socket"))
            journal.settimeout(30)
            script = 'mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal && exec "$@"'
            self.b.daemon = subprocess.Popen(
                ["ip", "netns", "exec", self.b.namespace, "unshare", "--mount", "sh", "-c", script, directory,
                 cli_test.ROVE, "up"], stderr=log,
                env=dict(self.b.environment, JOURNAL_STREAM=f"{info.st_dev}:{info.st_ino}"))
            os.close(log)
            events = {}
            while "usable" not in events:
                fields = self.read(journal.recv(65536))
                events[fields["ROVE_EVENT"]] = fields
            self.assertEqual(os.path.getsize(self.b.path("log")), size)
            started = events["started"]
            self.assertEqual((started["ROVE_NETWORK"], started["ROVE_NODE"], started["PRIORITY"],
                              started["SYSLOG_IDENTIFIER"]), ("demo", "b", "6", "rove"))
            self.assertTrue(started["MESSAGE"].startswith("started network=demo node=b "))
            self.expect(OK, self.b, "claim", "02:00:5e:20:00:09", "10.77.0.99")
            while "vm-claimed" not in events:
                fields = self.read(journal.recv(65536))
                events[fields["ROVE_EVENT"]] = fields
            claimed = events["vm-claimed"]
            self.assertEqual((claimed["ROVE_VM"], claimed["ROVE_IPS"]), ("02:00:5e:20:00:09", "10.77.0.99"))
            self.assertRegex(claimed["ROVE_SEQ"], r"^\d+$")


def prepare():
    """Networks and nodes, as files."""
    a, b = cli_test.LAB.hosts
    ticket = cli_test.LAB.directory + "/b.rove"
    for host, arguments in ((a, ["init", "demo", "--subnet", "10.77.0.0/24", "--node", "a", "--bootstrap",
                                 f"10.1.0.1:{PORT}"]),
                            (a, ["enroll", "b", "-o", ticket]), (b, ["join", ticket])):
        result = host.rove(*arguments)
        if result.returncode != OK:
            raise AssertionError(f"{arguments}: {result.stderr}")


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("skipped: needs root and /dev/net/tun")
        sys.exit(SKIP)
    lab = cli_test.LAB = Lab()
    cli_test.ROVE = shutil.copy(sys.argv.pop(1), os.path.join(lab.directory, "rove"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        try:
            lab.up()
        except subprocess.CalledProcessError as error:
            print(f"skipped: {' '.join(error.cmd)}: {error.stderr.strip()}")
            sys.exit(SKIP)
        prepare()
        if "--print-metrics" in sys.argv:
            configure(lab.hosts[0], metrics=METRICS_PORT)
            start(lab.hosts[0])
            print("\n".join(family.row() for family in scrape(lab.hosts[0]).values()))
            sys.exit(0)
        result = unittest.main(exit=False, verbosity=2).result
        if not result.wasSuccessful():
            for host in lab.hosts:
                print(f"== log of {host.name}\n{host.log() if os.path.exists(host.path('log')) else ''}")
        sys.exit(0 if result.wasSuccessful() else 1)
    finally:
        lab.down()


if __name__ == "__main__":
    main()
