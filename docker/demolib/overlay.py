"""The network between the sites' bridges: rove. What it is compared with is in other_overlays.py."""

import json
import os
import subprocess
import time

import sites

NETWORK = "demo"
PORT = 7683


class RoveOverlay:
    """One rove daemon on each host, enrolled by the files that an operator would use. host-d's is the bootstrap."""

    has_lookup = True
    wan_commands = ()

    def __init__(self, lab, binary, replay=None, watches=False, workers=None):
        """`replay`: that key of the configuration; None leaves the default. With `watches` each QEMU is followed.
        `workers`: that key, by host."""
        self._lab, self.binary, self._replay, self.watches = lab, binary, replay, watches
        self._workers = workers or {}
        self.daemons = {}

    def start(self):
        for host in sites.HOSTS:
            os.makedirs(self._lab.path(host), mode=0o700)
        # The authority is made on d, which is its first node; the others join with the files that it enrols.
        self.rove(sites.BOOTSTRAP, "init", NETWORK, "--subnet", sites.SUBNET4, "--subnet", sites.SUBNET6, "--node",
                  sites.BOOTSTRAP, "--bootstrap", f"{sites.underlay(sites.BOOTSTRAP)}:{PORT}")
        for site in sites.SITES:
            ticket = self._lab.path(f"{site}.rove")
            self.rove(sites.BOOTSTRAP, "enroll", site, "-o", ticket)
            self.rove(site, "join", ticket)
        for host in sites.HOSTS:
            self._configure(host)
            self.start_daemon(host)
        for host in sites.HOSTS:
            self.rove(host, "wait", "--timeout", "30", timeout=40)

    def _configure(self, host):
        """Writes the keys that differ from their defaults above the file that init and join made."""
        path = self._lab.path(host, "etc", f"{NETWORK}.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines = [f'endpoints = ["{sites.underlay(host)}:{PORT}"]']
        if host in sites.SITES:
            lines.append(f'bridge = "{sites.BRIDGE}"')
        if self._replay:
            lines.append(f'replay = "{self._replay}"')
        if host in self._workers:
            lines.append(f"workers = {self._workers[host]}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n" + text)

    def shortcut(self, host):
        """Writes a script that runs rove as that host's operator would; returns its path."""
        path = self._lab.path(f"rove-{host}")
        variables = " ".join(f"{name}={value}" for name, value in self.environment(host).items())
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec env {variables} ip netns exec {self._lab.namespace(f"host-{host}")} '
                       f'{self.binary} "$@"\n')
        os.chmod(path, 0o755)
        return path

    def environment(self, host):
        return {"ROVE_CONFIG_DIR": self._lab.path(host, "etc"), "ROVE_STATE_DIR": self._lab.path(host, "state"),
                "ROVE_RUN_DIR": self._lab.path(host, "run"), "NO_COLOR": "1"}

    def rove(self, host, *arguments, check=True, timeout=20):
        result = self._lab.run(f"host-{host}", self.binary, *arguments, environment=self.environment(host),
                               timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"host-{host}: rove {' '.join(arguments)} ended with {result.returncode}:\n"
                               f"{result.stdout}{result.stderr}")
        return result

    def start_daemon(self, host):
        self.daemons[host] = self._lab.spawn(f"host-{host}", self.binary, "up", log=f"rove-{host}.log",
                                             environment=self.environment(host))

    def watch_qemu(self, host, socket):
        """Starts what follows a QEMU by its QMP socket, if that is wanted."""
        if not self.watches:
            return None
        return self._lab.spawn(f"host-{host}", self.binary, "watch-qemu", socket, log=f"watch-{host}.log",
                               environment=self.environment(host))

    def kill_daemon(self, host):
        """Kills it with -9: nothing is withdrawn, nobody is told."""
        self.daemons[host].kill()

    def kill_bootstrap(self, say):
        say(f"killing the bootstrap node's daemon (host-{sites.BOOTSTRAP}) with -9")
        self.kill_daemon(sites.BOOTSTRAP)

    def lookup(self, site, address):
        """The name of the node that hosts the address, as `rove lookup --json` says at that site; None when unknown."""
        result = self.rove(site, "lookup", address, "--json", check=False)
        if result.returncode != 0:
            return None
        return json.loads(result.stdout)["node"]

    def vms(self, site):
        """MAC -> state of the virtual machines that `rove vms --json` has at that site."""
        return {vm["mac"]: vm["state"] for vm in json.loads(self.rove(site, "vms", "--json").stdout)["vms"]}

    def resident_kib(self, host):
        """The daemon's resident memory (proc(5), VmRSS)."""
        with open(f"/proc/{self.daemons[host].pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def wait_lookup(self, expected, begin, timeout, address=sites.GUEST4):
        """Asks at every site until all name the expected node; milliseconds since `begin` (s since 1970) at which the
        last one did, or None."""
        deadline = time.time() + timeout
        waiting = set(sites.SITES)
        while True:
            for site in sorted(waiting):
                try:
                    if self.lookup(site, address) == expected:
                        waiting.discard(site)
                except subprocess.TimeoutExpired:
                    pass
            if not waiting:
                return round((time.time() - begin) * 1e3, 1)
            if time.time() > deadline:
                return None
            time.sleep(0.02)
