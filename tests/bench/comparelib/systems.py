"""What carries the packets: the plain wire, kernel VXLAN and rove. Those in user space beside rove: user_space.py."""

import json
import os
import time

import lab

READY_SECONDS = 30


class System:
    """One way between the hosts. Set up once, and idle while another is measured."""

    name = ""
    mtu = 1400  # inside
    optional = False  # measured where it happens to be there
    by_default = True  # measured where no systems are named
    switches = True  # carries Ethernet frames, so that bridges can be joined by it
    package = None  # Debian's, of which the version is told
    # Octets of headers before a datagram's payload in what the device counts, where a program writes into it: it may
    # join datagrams, which the device counts as one packet. None: the kernel counts each.
    frame_header = None

    def __init__(self, laboratory, number):
        """`number` makes its inner subnet: 10.99.NUMBER.0/24."""
        self.lab, self.number = laboratory, number
        self.daemons = {}

    @classmethod
    def obstacle(cls):
        """Why it cannot be measured here; None when it can."""
        return None

    def version(self):
        if self.package is None:
            return os.uname().release
        return lab.command(["dpkg-query", "-W", "-f", "${Version}", self.package], check=False).stdout or "unknown"

    # -- addresses

    @property
    def subnet(self):
        return f"10.99.{self.number}.0/24"

    def address(self, host):
        return f"10.99.{self.number}.{lab.HOSTS.index(host) + 1}"

    def device(self, host):  # pylint: disable=unused-argument
        """That through which packets for the address come."""
        return f"{self.name}0"

    def place(self, host):
        """The namespace that the address is in."""
        return f"{host}-{self.name}" if self.lab.bridged else host

    # -- setting up

    def start(self):
        if self.lab.bridged:
            for host in lab.HOSTS:
                self.lab.add_guest(host, self.name, self.mtu, self.address(host))
        self.connect()
        self.wait_reachable()

    def connect(self):
        """Starts what carries the packets, and calls attach() for each host's device."""
        raise NotImplementedError

    def attach(self, host):
        """Gives the device to the bridge of the guest, or makes it the host's own interface."""
        if self.lab.bridged:
            self.lab.ip(host, "link", "set", self.device(host), "mtu", self.mtu, "master", lab.bridge_of(self.name),
                        "up")
        else:
            self.lab.ip(host, "link", "set", self.device(host), "mtu", self.mtu, "up")
            self.lab.ip(host, "address", "replace", f"{self.address(host)}/24", "dev", self.device(host))

    def wait_reachable(self, address=None):
        """`address`: by host; the IPv4 address when it is not given."""
        address = address or self.address
        deadline = time.monotonic() + READY_SECONDS
        for here, there in (lab.HOSTS, reversed(lab.HOSTS)):
            while self.lab.run(self.place(here), "ping", "-c", "1", "-W", "1", address(there),
                               check=False).returncode != 0:
                if time.monotonic() > deadline:
                    raise lab.LabError(f"{self.name}: no ping answered in {READY_SECONDS} s:\n{self.last_lines()}")

    def last_lines(self):
        return "".join(f"-- {host}\n{daemon.last_lines()}" for host, daemon in self.daemons.items())

    # -- observing

    def datagrams_received(self, before, after, payload):
        """How many datagrams of that payload came in by host b's device between two readings of it."""
        packets, octets = (now - then for now, then in zip(after, before))
        return packets if self.frame_header is None else (octets - packets * self.frame_header) / payload

    def resident_mib(self):
        """The larger of the two daemons (proc(5), VmRSS); None where the kernel does it all."""
        if not self.daemons:
            return None
        return max(resident_kib(self.daemons[host].pid) for host in lab.HOSTS) / 1024


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


class Veth(System):
    """The wire itself; between bridges a second one of its kind."""

    name, mtu = "veth", 1500

    def device(self, host):
        return "cable" if self.lab.bridged else lab.WIRE

    def address(self, host):
        return super().address(host) if self.lab.bridged else lab.UNDERLAY[host]

    def connect(self):
        if self.lab.bridged:
            self.lab.add_wire(self.device(None))
            for host in lab.HOSTS:
                self.attach(host)


class Vxlan(System):
    """The kernel's, with one peer: no encryption."""

    name, mtu = "vxlan", 1450

    def connect(self):
        for here, there in (lab.HOSTS, tuple(reversed(lab.HOSTS))):
            self.lab.ip(here, "link", "add", self.device(here), "type", "vxlan", "id", "7", "dstport", "4789", "local",
                        lab.UNDERLAY[here], "remote", lab.UNDERLAY[there], "dev", lab.WIRE)
            self.attach(here)


class Rove(System):
    """Two nodes of one network, made with the files that an operator would use; host a's is the bootstrap."""

    name = "rove"
    frame_header = 42
    _PORT = 7683

    def __init__(self, laboratory, number, binary, settings=()):
        super().__init__(laboratory, number)
        self._binary, self._settings = binary, list(settings)

    def version(self):
        told = json.loads(lab.command([self._binary, "version", "--json"]).stdout)
        return f"{told['version']} {told['commit']}"

    def subnets(self):
        """Of the network."""
        return (self.subnet,)

    def settings(self, host):  # pylint: disable=unused-argument
        """Lines of the host's configuration, besides those that this class needs."""
        return self._settings

    def connect(self):
        a, b = lab.HOSTS
        for host in lab.HOSTS:
            os.mkdir(self.lab.path(f"rove-{host}"), 0o700)
        self._rove(a, "init", "bench", "--subnet", *self.subnets(), "--node", a, "--mtu", self.mtu, "--bootstrap",
                   f"{lab.UNDERLAY[a]}:{self._PORT}")
        ticket = self.lab.path("b.rove")
        self._rove(a, "enroll", b, "-o", ticket)
        self._rove(b, "join", ticket)
        for host in lab.HOSTS:
            self._configure(host)
            self.daemons[host] = self.lab.spawn(host, self._binary, "up", log=f"rove-{host}.log",
                                                environment=self._environment(host))
        for host in lab.HOSTS:
            self._rove(host, "wait", "--timeout", "30s", timeout=40)
            if not self.lab.bridged:
                self._become_a_vm(host)

    def counters(self, host):
        """The daemon's counters that are not zero: group.name -> count."""
        groups = json.loads(self._rove(host, "status", "--counters", "--json").stdout)["counters"]
        return {f"{group}.{name}": count for group, names in groups.items() for name, count in names.items() if count}

    def _configure(self, host):
        """Writes the keys that differ from their defaults above the file that init and join made."""
        path = self.lab.path(f"rove-{host}", "etc", "bench.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines = [f'endpoints = ["{lab.UNDERLAY[host]}:{self._PORT}"]', f'tap = "{self.device(host)}"']
        if self.lab.bridged:
            lines.append(f'bridge = "{lab.bridge_of(self.name)}"')
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines + self.settings(host)) + "\n" + text)

    def _become_a_vm(self, host):
        """Without a bridge the TAP is the host's own interface. Its own MAC is never a VM's to rove, so it gets
        another one; there is no shorter way into rove than that."""
        self.lab.ip(host, "link", "set", self.device(host), "address",
                    f"02:00:5e:99:00:{lab.HOSTS.index(host) + 1:02x}")
        self.attach(host)

    def _environment(self, host):
        directory = self.lab.path(f"rove-{host}")
        return {"ROVE_CONFIG_DIR": f"{directory}/etc", "ROVE_STATE_DIR": f"{directory}/state",
                "ROVE_RUN_DIR": f"{directory}/run", "NO_COLOR": "1"}

    def _rove(self, host, *arguments, timeout=20):
        return self.lab.run(host, self._binary, *arguments, environment=self._environment(host), timeout=timeout)
