"""The lab: hosts in different subnets, joined by a router with the delay of a wide area network.

    client-a   guest              client-b              client-c
       |         |                   |                     |
     [br0 ------ + rove]           [br0 + rove]          [br0 + rove]           [rove]
     host-a                        host-b                host-c                 host-d
     10.77.1.2/24                  10.77.2.2/24          10.77.3.2/24           10.77.4.2/24
       |                             |                     |                     |
       +------------- router, every packet held 10 ms (wan_emulator) ------------+

Every box is a network namespace of its own. host-d has no virtual machines: it is where the others start
(bootstrap). The overlay's addresses are 10.99.0.0/24 and fd99::/64.
"""

import json
import os
import shutil
import subprocess
import time

import docker_engine
import processes

SITES = ("a", "b", "c")
BOOTSTRAP = "d"
HOSTS = SITES + (BOOTSTRAP,)
STATE = "/run/rove-demo"
SUBNET4, SUBNET6 = "10.99.0.0/24", "fd99::/64"
GUEST4, GUEST6 = "10.99.0.10", "fd99::10"
CLIENT4 = {"a": "10.99.0.101", "b": "10.99.0.102", "c": "10.99.0.103"}
CLIENT6 = {"a": "fd99::101", "b": "fd99::102", "c": "fd99::103"}
# What fits into rove's datagrams on an underlay of 1500 bytes, with room to spare.
INNER_MTU = 1400
BRIDGE = "br0"
DELAY_MS = 10
PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe_client.py")


def underlay(host):
    return f"10.77.{HOSTS.index(host) + 1}.2"


def subnet(host):
    return f"10.77.{HOSTS.index(host) + 1}.0/24"


class Lab:
    """Builds the namespaces and remembers all it started in STATE/<name>/lab.json, so that a later `--stop` can take
    down what a killed run left. close() takes everything down; nothing else is touched."""

    def __init__(self, name, wan_emulator):
        self.name = name
        self.directory = os.path.join(STATE, name)
        self._wan_emulator = wan_emulator
        self._processes = []
        self._namespaces = []
        self._driver = [os.getpid(), processes.identity(os.getpid())]
        os.makedirs(STATE, mode=0o755, exist_ok=True)
        os.mkdir(self.directory, 0o700)
        self._remember()

    # -- building

    def build(self, wan_commands=()):
        """`wan_commands`: the WAN emulator's, after the delay was set to DELAY_MS everywhere."""
        self._add_namespace("router")
        for host in HOSTS:
            self._add_namespace(f"host-{host}")
            self._connect_host(host)
        for site in SITES:
            self._add_client(site)
        self._start_wan(wan_commands)

    def _add_namespace(self, name):
        namespace = self.namespace(name)
        self._namespaces.append(namespace)
        self._remember()
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        self.ip(name, "link", "set", "lo", "up")
        # Addresses serve at once, and nobody outside hears of them by router advertisements. Of the hypervisors' stream
        # nothing waits for TCP: bbr, the default of some machines, paces it, and makes every tenth pause of a guest a
        # round trip longer. (Every namespace may have reno; cubic has to be permitted.)
        self.sysctl(name, **{"net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0,
                             "net.ipv6.conf.default.accept_ra": 0, "net.ipv4.tcp_congestion_control": "reno"})

    def _connect_host(self, host):
        number = HOSTS.index(host) + 1
        self.ip("router", "link", "add", f"to-{host}", "type", "veth", "peer", "name", "wan0", "netns",
                self.namespace(f"host-{host}"))
        self.ip("router", "addr", "add", f"10.77.{number}.1/24", "dev", f"to-{host}")
        self.ip("router", "link", "set", f"to-{host}", "up")
        self.ip(f"host-{host}", "addr", "add", f"{underlay(host)}/24", "dev", "wan0")
        self.ip(f"host-{host}", "link", "set", "wan0", "up")
        self.ip(f"host-{host}", "route", "add", "default", "via", f"10.77.{number}.1")

    def _add_client(self, site):
        host, client = f"host-{site}", f"client-{site}"
        self.ip(host, "link", "add", BRIDGE, "type", "bridge", "stp_state", "0")
        self.ip(host, "link", "set", BRIDGE, "up")
        self._add_namespace(client)
        self.ip(host, "link", "add", "client", "type", "veth", "peer", "name", "eth0", "netns",
                self.namespace(client))
        self.ip(host, "link", "set", "client", "master", BRIDGE, "up")
        self.ip(client, "link", "set", "eth0", "mtu", INNER_MTU, "up")
        self.ip(client, "addr", "add", f"{CLIENT4[site]}/24", "dev", "eth0")
        self.ip(client, "addr", "add", f"{CLIENT6[site]}/64", "dev", "eth0")

    def _start_wan(self, commands):
        self.sysctl("router", **{"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": 0,
                                 "net.ipv4.conf.default.rp_filter": 0})
        arguments = ["--control", self.path("wan.sock")]
        arguments += [word for host in HOSTS for word in ("--site", f"{host}={subnet(host)}")]
        for command in (f"set delay {DELAY_MS}ms", *commands):
            arguments += ["--do", command]
        emulator = self.spawn("router", self._wan_emulator, *arguments, log="wan_emulator.log")
        wait_for(lambda: "ready" in emulator.last_lines(), 10, emulator)
        self.ip("router", "route", "add", "default", "dev", "wan0", "table", "100")
        for host in HOSTS:
            self.ip("router", "rule", "add", "iif", f"to-{host}", "lookup", "100")

    # -- using

    def wan(self, *command):
        """A command of the WAN emulator's, while it runs."""
        subprocess.run([self._wan_emulator, "--ask", self.path("wan.sock"), *command], check=True, timeout=10,
                       stdout=subprocess.DEVNULL)

    def namespace(self, name):
        return f"{self.name}-{name}"

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def ip(self, namespace, *arguments):
        subprocess.run(["ip", "-n", self.namespace(namespace), *[str(word) for word in arguments]], check=True)

    def sysctl(self, namespace, **values):
        script = "".join(f"echo {value} >/proc/sys/{name.replace('.', '/')}\n" for name, value in values.items())
        self.run(namespace, "sh", "-ec", script)

    def run(self, namespace, *command, environment=None, timeout=30, check=True):
        """Runs a short command in a namespace; returns its CompletedProcess, with text output."""
        return subprocess.run(["ip", "netns", "exec", self.namespace(namespace), *[str(word) for word in command]],
                              check=check, capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, **(environment or {})})

    def spawn(self, namespace, *command, log, environment=None, stdin=None):
        process = processes.Process(self.namespace(namespace), command, self.path(log), environment, stdin)
        self._processes.append(process)
        self._remember()
        return process

    def spawn_probe(self, site, kind, words, path):
        """Starts probe_client.py at a site's client; `path` is the file that it writes."""
        return self.spawn(f"client-{site}", "python3", "-B", PROBE, *words, path, log=f"{kind}-{site}.log")

    def how_to_run(self, client, command):
        """The command line that runs a command at a client."""
        return f"ip netns exec {self.namespace(client)} {command}"

    def how_to_move(self):
        """Command lines that move the guest; QEMU's takes more than one would type."""
        return []

    # -- taking down

    def _state(self):
        return {
            "driver": self._driver,
            "namespaces": self._namespaces,
            "processes": [[process.pid, processes.identity(process.pid)] for process in self._processes
                          if process.running],
        }

    def _remember(self):
        state = self._state()
        temporary = self.path("lab.json.new")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.rename(temporary, self.path("lab.json"))

    def leave_running(self):
        self._driver = None
        self._remember()

    def close(self):
        # The last started goes first: machines before daemons, daemons before the router.
        for process in reversed(self._processes):
            process.stop()
        # A signal may have come between the start of a process and its entry in the list.
        for namespace in self._namespaces:
            for pid in processes.own_children_in(namespace):
                processes.end(pid, processes.identity(pid))
        remove(self.name)


def wait_for(condition, timeout, process):
    """Waits until the condition holds; an error when it does not, or when the process that should bring it about
    has ended."""
    deadline = time.monotonic() + timeout
    while not condition():
        if not process.running or time.monotonic() > deadline:
            raise RuntimeError(f"{os.path.basename(process.command[0])} is not ready:\n{process.last_lines()}")
        time.sleep(0.05)


def remove(name):
    """Takes down a lab by what it remembered, whoever started it."""
    directory = os.path.join(STATE, name)
    with open(os.path.join(directory, "lab.json"), encoding="utf-8") as file:
        state = json.load(file)
    if "docker" in state:
        docker_engine.take_down(state["docker"])
    for pid, started in reversed(state["processes"]):
        if started is not None:
            processes.end(pid, started)
    for namespace in reversed(state["namespaces"]):
        delete_namespace(namespace)
    shutil.rmtree(directory)


def delete_namespace(namespace):
    # The kernel may still hold it for a moment after its last process ended.
    for _ in range(50):
        if not os.path.exists(f"/run/netns/{namespace}"):
            return
        if subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)


def abandoned():
    """Names of the labs that run without a driver: left so on purpose, or because it was killed."""
    names = []
    for name in sorted(os.listdir(STATE)) if os.path.isdir(STATE) else []:
        path = os.path.join(STATE, name, "lab.json")
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            driver = json.load(file)["driver"]
        if driver is None or processes.identity(driver[0]) != driver[1]:
            names.append(name)
    return names
