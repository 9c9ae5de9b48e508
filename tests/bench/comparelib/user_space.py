"""Systems in user space that rove is compared with; all encrypt. Each as its own manual sets it up for two hosts."""

import os
import shutil
import stat

import lab
from systems import System

INSTALL = "sudo docker/install-packages compare"


class UserSpace(System):
    programs = ()  # that must be installed; the packages are in the group [compare] of docker/packages.txt

    @classmethod
    def obstacle(cls):
        missing = [program for program in cls.programs if shutil.which(program) is None]
        return f"{', '.join(missing)} is missing; type: {INSTALL}" if missing else None

    def directory(self, host, *parts):
        return self.lab.path(f"{self.name}-{host}", *parts)

    def write(self, text, host, *parts):
        path = self.directory(host, *parts)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        return path

    def spawn(self, host, *words):
        """Starts the host's daemon, and attaches the device that it makes."""
        self.daemons[host] = self.lab.spawn(host, *words, log=f"{self.name}-{host}.log")
        self.lab.wait_device(host, self.device(host), self.daemons[host])
        self.attach(host)


class WireguardGo(UserSpace):
    """Debian's. The interface's name is the host's own, as its control socket lies beside all others of the machine."""

    name, mtu, frame_header = "wireguard-go", 1420, 28
    switches = False
    package = "wireguard-go"
    programs = ("wireguard-go", "wg")
    _binary, _letter, _port = "wireguard-go", "g", 51820

    def device(self, host):
        return f"w{self._letter}{os.getpid()}{host}"

    def connect(self):
        public = {}
        for host in lab.HOSTS:
            private = lab.command(["wg", "genkey"]).stdout
            key = self.write(private, host, "key")
            public[host] = self.lab.run(host, "sh", "-c", f"wg pubkey <{key}").stdout.strip()
            self.spawn(host, self._binary, "-f", self.device(host))
        for here, there in (lab.HOSTS, tuple(reversed(lab.HOSTS))):
            socket = f"/var/run/wireguard/{self.device(here)}.sock"
            lab.wait_for(lambda: stat.S_ISSOCK(os.stat(socket).st_mode) if os.path.exists(socket) else False, 10,
                         self.daemons[here])
            self.lab.run(here, "wg", "set", self.device(here), "listen-port", self._port, "private-key",
                         self.directory(here, "key"), "peer", public[there], "allowed-ips", self.subnet, "endpoint",
                         f"{lab.UNDERLAY[there]}:{self._port}")


class WireguardGoNew(WireguardGo):
    """Any other build of it, by the environment."""

    name, optional, package = "wireguard-go-new", True, None
    programs = ("wg",)
    _binary, _letter, _port = os.environ.get("WGGO", ""), "n", 51821

    @classmethod
    def obstacle(cls):
        if shutil.which(cls._binary) is None:
            return "the environment's WGGO names no binary of it"
        return super().obstacle()

    def version(self):
        return lab.command([self._binary, "--version"], check=False).stdout.partition("\n")[0] or "unknown"


class Tinc(UserSpace):
    """tinc 1.0 as a switch."""

    name, package, frame_header = "tinc", "tinc", 42
    programs = ("tincd",)

    def connect(self):
        for host in lab.HOSTS:
            other = lab.HOSTS[1 - lab.HOSTS.index(host)]
            self.write(f"Name = {host}\nMode = switch\nInterface = {self.device(host)}\nAddressFamily = ipv4\n"
                       f"ConnectTo = {other}\n", host, "tinc.conf")
            self.write(f"Address = {lab.UNDERLAY[host]}\n", host, "hosts", host)
            # Without a terminal it asks nothing and appends the public key to the file of its own name.
            self.lab.run(host, "tincd", "-c", self.directory(host), "-K2048")
        for here, there in (lab.HOSTS, tuple(reversed(lab.HOSTS))):
            shutil.copy(self.directory(here, "hosts", here), self.directory(there, "hosts", here))
        for host in lab.HOSTS:
            self.spawn(host, "tincd", "-c", self.directory(host), "-D", f"--pidfile={self.directory(host, 'pid')}")


class Nebula(UserSpace):
    name, package, frame_header = "nebula", "nebula", 28
    switches = False
    programs = ("nebula", "nebula-cert")
    _PORT = 4242

    def connect(self):
        authority = [self.directory("ca", "crt"), self.directory("ca", "key")]
        os.mkdir(self.directory("ca"), 0o700)
        lab.command(["nebula-cert", "ca", "-name", "bench", "-out-crt", authority[0], "-out-key", authority[1]])
        for host in lab.HOSTS:
            self.write(self._configuration(host), host, "config.yml")
            lab.command(["nebula-cert", "sign", "-ca-crt", authority[0], "-ca-key", authority[1], "-name", host, "-ip",
                         f"{self.address(host)}/24", "-out-crt", self.directory(host, "crt"), "-out-key",
                         self.directory(host, "key")])
            self.spawn(host, "nebula", "-config", self.directory(host, "config.yml"))

    def _configuration(self, host):
        other = lab.HOSTS[1 - lab.HOSTS.index(host)]
        return f"""pki:
  ca: {self.directory("ca", "crt")}
  cert: {self.directory(host, "crt")}
  key: {self.directory(host, "key")}
static_host_map:
  "{self.address(other)}": ["{lab.UNDERLAY[other]}:{self._PORT}"]
lighthouse:
  am_lighthouse: false
listen:
  host: 0.0.0.0
  port: {self._PORT}
tun:
  dev: {self.device(host)}
  mtu: {self.mtu}
firewall:
  outbound:
    - {{port: any, proto: any, host: any}}
  inbound:
    - {{port: any, proto: any, host: any}}
"""


class N2n(UserSpace):
    """n2n 1.3 (Debian's): an edge at each host, which talk directly once the supernode beside a has told them."""

    name, package, frame_header = "n2n", "n2n", 42
    programs = ("edge", "supernode")
    _PORT = 7654

    def connect(self):
        supernode = self.lab.spawn(lab.HOSTS[0], "supernode", "-l", self._PORT, log="n2n-supernode.log")
        for host in lab.HOSTS:
            # -r: it would drop what is not for its own address, which a bridge does not use.
            forward = ("-r",) if self.lab.bridged else ()
            address = f"192.0.2.{lab.HOSTS.index(host) + 1}" if self.lab.bridged else self.address(host)
            self.spawn(host, "edge", "-d", self.device(host), "-a", address, "-s", "255.255.255.0", "-c", "bench", "-k",
                       "bench", "-l", f"{lab.UNDERLAY[lab.HOSTS[0]]}:{self._PORT}", "-u", "0", "-g", "0", *forward)
        if not supernode.running:
            raise lab.LabError(f"supernode has ended:\n{supernode.last_lines()}")


SYSTEMS = (WireguardGo, WireguardGoNew, Tinc, Nebula, N2n)
