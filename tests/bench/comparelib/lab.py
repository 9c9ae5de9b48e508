"""Two hosts in network namespaces, joined by a veth; and a guest beside each, for each system, where it is asked for.

    host a 10.98.0.1 [eth0] ═════════ veth, MTU 1500 ═════════ [eth0] 10.98.0.2 host b

    --bridge:  guest a [eth0] ── [guest-port] br-SYSTEM [device] host a … host b, and the same there
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "docker", "demolib"))

import processes  # noqa: E402  pylint: disable=wrong-import-position

HOSTS = ("a", "b")
UNDERLAY = {"a": "10.98.0.1", "b": "10.98.0.2"}
WIRE = "eth0"
# By the name of a wire, how it is told from the kernel's default: "on" lets packets of up to 64 KB cross in one piece;
# over the others each crosses by itself, and with "gro" the receiver joins what came together, as the drivers of
# network cards do.
_SEGMENTATION_OFF = ("tso", "off", "gso", "off", "tx-udp-segmentation", "off")
WIRES = {"on": (), "off": (*_SEGMENTATION_OFF, "gro", "off"), "gro": (*_SEGMENTATION_OFF, "gro", "on")}


class LabError(RuntimeError):
    """What could not be set up or measured, with what the program said."""


class NotPermitted(LabError):
    """There can be no lab at all on this machine."""


class Lab:
    """Builds the namespaces, and remembers all that it started. close() takes everything down; nothing else is
    touched."""

    def __init__(self, bridged, wire):
        self.id = f"bench{os.getpid()}"
        self.bridged, self.wire = bridged, wire
        self.directory = tempfile.mkdtemp(prefix="rove-bench-")
        self._namespaces = []
        self._processes = []

    def build(self):
        try:
            for host in HOSTS:
                self.add_namespace(host)
            self.ip(HOSTS[0], "link", "add", "probe", "type", "veth")
            self.ip(HOSTS[0], "link", "delete", "probe")
        except LabError as error:
            raise NotPermitted(str(error)) from error
        self.add_wire(WIRE)
        for host in HOSTS:
            self.ip(host, "address", "add", f"{UNDERLAY[host]}/24", "dev", WIRE)

    def add_namespace(self, name):
        namespace = self.namespace(name)
        self._namespaces.append(namespace)
        command(["ip", "netns", "add", namespace])
        self.ip(name, "link", "set", "lo", "up")
        # No traffic but that which is measured: no IPv6 addresses that announce themselves. No detour of a bridge's
        # frames through iptables either, which a kernel takes for all bridges once Docker has run on it.
        self.run(name, "sh", "-ec", """
            for each in all default; do echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6; done
            for each in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $each ] || echo 0 >$each; done""")

    def add_wire(self, device):
        """A veth between the two hosts, of the lab's kind of wire."""
        a, b = HOSTS
        self.ip(a, "link", "add", device, "type", "veth", "peer", "name", device, "netns", self.namespace(b))
        for host in HOSTS:
            if WIRES[self.wire]:
                self.run(host, "ethtool", "-K", device, *WIRES[self.wire])
            self.ip(host, "link", "set", device, "mtu", 1500, "up")

    def add_guest(self, host, system, mtu, address):
        """A namespace behind a port of the host's bridge for that system."""
        guest, bridge, port = f"{host}-{system}", bridge_of(system), f"g-{system}"[:15]
        if self.run(host, "ip", "link", "show", bridge, check=False).returncode != 0:
            self.ip(host, "link", "add", bridge, "type", "bridge", "stp_state", "0")
            self.ip(host, "link", "set", bridge, "up")
        self.add_namespace(guest)
        self.ip(host, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace(guest))
        self.ip(host, "link", "set", port, "mtu", mtu, "master", bridge, "up")
        self.ip(guest, "link", "set", "eth0", "mtu", mtu, "up")
        self.ip(guest, "address", "add", f"{address}/24", "dev", "eth0")

    # -- using

    def namespace(self, name):
        return f"{self.id}-{name}"

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def ip(self, name, *arguments):
        command(["ip", "-n", self.namespace(name), *arguments])

    def run(self, name, *words, environment=None, timeout=30, check=True):
        """Runs a program in a namespace to its end; returns its CompletedProcess, with text output."""
        return command(["ip", "netns", "exec", self.namespace(name), *words], environment, timeout, check)

    def spawn(self, name, *words, log, environment=None):
        process = processes.Process(self.namespace(name), words, self.path(log), environment)
        self._processes.append(process)
        return process

    def wait_device(self, host, device, process):
        """Until the device that the program makes is there."""
        wait_for(lambda: self.run(host, "ip", "link", "show", device, check=False).returncode == 0, 10, process)

    def received(self, host, device):
        """(packets, octets) that came in by the device: of a TAP, those that its daemon wrote."""
        shown = self.run(host, "ip", "-j", "-s", "link", "show", "dev", device).stdout
        counters = json.loads(shown)[0]["stats64"]["rx"]
        return counters["packets"], counters["bytes"]

    def close(self):
        for process in reversed(self._processes):
            process.stop()
        # A signal may have come between the start of a process and its entry in the list.
        for namespace in self._namespaces:
            for pid in processes.own_children_in(namespace):
                processes.end(pid, processes.identity(pid))
        for namespace in reversed(self._namespaces):
            delete_namespace(namespace)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def built(bridged, wire):
    """A Lab that is there, and taken down behind the block however that ends."""
    laboratory = Lab(bridged, wire)
    try:
        laboratory.build()
        yield laboratory
    finally:
        # Nothing may interrupt the end.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        laboratory.close()
        listen_for_signals()


def listen_for_signals():
    """Those that end a program raise SystemExit from here on, so that a Lab is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number, _frame):
    sys.exit(128 + number)


def bridge_of(system):
    return f"br-{system}"[:15]


def command(words, environment=None, timeout=30, check=True):
    words = [str(word) for word in words]
    try:
        result = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False,
                                stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: not finished after {timeout} s") from error
    if check and result.returncode != 0:
        raise LabError(f"{' '.join(words)}: exit status {result.returncode}: {result.stderr}{result.stdout}")
    return result


def wait_for(condition, seconds, process):
    """Waits until the condition holds; an error when it does not, or when the process that should bring it about has
    ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        if not process.running or time.monotonic() > deadline:
            raise LabError(f"{' '.join(process.command)}: not ready:\n{process.last_lines()}")
        time.sleep(0.02)


def delete_namespace(namespace):
    # The kernel may still hold it for a moment after its last process ended.
    for _ in range(50):
        if not os.path.exists(f"/run/netns/{namespace}"):
            return
        if subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
