"""Two hosts with running daemons, and a VM beside each: what several tests begin with.

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0] ─ br0 ── vm2 10.77.0.6
"""

import os
import subprocess
import sys

from cli_test import OK, PORT, Lab

VM2_IP = "10.77.0.6"


class TwoVmLab(Lab):
    """With a VM beside the second host, too."""

    def up(self):
        super().up()
        self.add_namespace("vm2")
        b, vm2 = self.namespaces[1], self.namespaces[3]
        self.ip("-n", b, "link", "add", "br0", "type", "bridge")
        self.ip("-n", b, "link", "set", "br0", "up")
        self.ip("-n", b, "link", "add", "vm0", "type", "veth", "peer", "name", "eth0", "netns", vm2)
        self.ip("-n", b, "link", "set", "vm0", "master", "br0", "up")
        self.ip("-n", vm2, "address", "add", f"{VM2_IP}/24", "dev", "eth0")
        self.ip("-n", vm2, "link", "set", "eth0", "up")
        for namespace in (self.namespaces[2], vm2):
            self.ip("-n", namespace, "link", "set", "eth0", "mtu", "1400")

    def start(self):
        a, b = self.hosts
        ticket = os.path.join(self.directory, "b.rove")
        init = ("init", "demo", "--subnet", "10.77.0.0/24", "--node", "a", "--bootstrap", f"10.1.0.1:{PORT}")
        for host, arguments in ((a, init), (a, ("enroll", "b", "-o", ticket)), (b, ("join", ticket))):
            result = host.rove(*arguments)
            if result.returncode != OK:
                raise AssertionError(result.stderr)
        for host in self.hosts:
            with open(host.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
                text = file.read()
                file.seek(0)
                file.write('bridge = "br0"\n' + text)
            host.start()
        for host in self.hosts:
            host.rove("wait", "--timeout", "30s")

    def in_vm(self, *command, **keywords):
        return subprocess.run(["ip", "netns", "exec", self.namespaces[2], *command], capture_output=True, text=True,
                              timeout=60, check=False, **keywords)

    def ping(self, count=1):
        return self.in_vm("ping", "-c", str(count), "-i", "0.05", "-W", "5", VM2_IP).returncode == 0

    def stream(self, octets):
        """Sends so much by TCP from one VM to the other."""
        take = "import socket,sys;s=socket.create_server(('0.0.0.0',5001));print('ready',flush=True);" \
               "c=s.accept()[0];n=0\nwhile d:=c.recv(1<<20): n+=len(d)\nprint(n)"
        give = f"import socket;s=socket.create_connection(('{VM2_IP}',5001),10);s.sendall(bytes({octets}))"
        with subprocess.Popen(["ip", "netns", "exec", self.namespaces[3], sys.executable, "-c", take],
                              stdout=subprocess.PIPE, text=True) as taker:
            try:
                taker.stdout.readline()
                self.in_vm(sys.executable, "-c", give)
                return int(taker.stdout.readline())
            finally:
                taker.kill()
