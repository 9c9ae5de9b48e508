#!/usr/bin/env python3
"""What README.md says under "Use it", line by line, in two clean Debian 12 systems: it leads to a network in which two
virtual machines reach each other. Prints how long each line took.

Usage: newcomer_test.py --build BUILD    with the package of a build: the second block of the section
       newcomer_test.py --clone URL      from the very start: git clone, and both blocks. The first one's packages are
                                         installed on this machine, and its build takes minutes

    vm 10.99.0.10 ─ br0 ─ [rove0] alpha 192.0.2.1 ═════ 192.0.2.2 beta [rove0] ─ br0 ─ vm 10.99.0.11
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import deb
import debian_tree

HOSTS = {"alpha": ("192.0.2.1", "10.99.0.10"), "beta": ("192.0.2.2", "10.99.0.11")}
PING_SECONDS = 20


class Clock:
    """Prints each step with its time."""

    def __init__(self):
        self.began = time.monotonic()

    def step(self, host, words, action):
        began = time.monotonic()
        result = action()
        print(f"{time.monotonic() - began:8.2f} s  {host:5}  {words}", flush=True)
        return result


def read_blocks():
    """The code blocks of the section, as lists of lines; trailing comments are cut off, others kept."""
    with open(os.path.join(deb.ROOT, "README.md"), encoding="utf-8") as file:
        section = re.split(r"\n## ", file.read().split("\n## Use it\n")[1])[0]
    blocks = []
    for block in re.findall(r"```\n(.*?)```", section, re.DOTALL):
        lines = [re.sub(r"\s{2,}# .*$", "", line) for line in block.splitlines()]
        blocks.append([line for line in lines if line.strip()])
    if len(blocks) != 2:
        sys.exit(f"README.md, Use it: {len(blocks)} blocks, not 2")
    return blocks


class Host:
    """A clean system in a network namespace, with a directory where its operator works."""

    def __init__(self, name, cache, directory):
        self.name = name
        self.namespace = f"newcomer-{os.getpid()}-{name}"
        self.vm = self.namespace + "-vm"
        self.tree = debian_tree.Tree(cache, os.path.join(directory, name))
        self.desk = self.tree.path("/root")
        self.daemon = None
        with open(self.tree.path("/etc/hosts"), "a", encoding="utf-8") as file:
            for other, (address, _) in HOSTS.items():
                file.write(f"{address} {other}.example.org\n")
        for namespace in (self.namespace, self.vm):
            deb.run("ip", "netns", "add", namespace)
            deb.run("ip", "-n", namespace, "link", "set", "lo", "up")

    def command(self, words):
        # Only packages come from outside; all that rove does happens in the namespace.
        namespace = None if words.startswith("apt ") else self.namespace
        return self.tree.command("sh", "-ec", "cd /root; " + words, namespace=namespace)

    def type(self, words):
        """The line, as somebody at this host types it; a daemon goes on in a window of its own."""
        environment = dict(debian_tree.ENVIRONMENT)
        if words.startswith("rove up"):
            with open(os.path.join(self.desk, "log"), "wb") as log:
                self.daemon = subprocess.Popen(self.command("exec " + words), env=environment, stderr=log)
            return ""
        if words.startswith("apt "):
            words = words.replace("apt install", "apt-get install -y -q --no-install-recommends", 1)
        return deb.run(*self.command(words), env=environment)

    def add_vm(self):
        address = HOSTS[self.name][1]
        deb.run("ip", "-n", self.namespace, "link", "add", "vm0", "type", "veth", "peer", "name", "eth0", "netns",
                self.vm)
        deb.run("ip", "-n", self.namespace, "link", "set", "vm0", "master", "br0", "up")
        deb.run("ip", "-n", self.vm, "addr", "add", address + "/24", "dev", "eth0")
        deb.run("ip", "-n", self.vm, "link", "set", "eth0", "mtu", "1400", "up")

    def ping(self, address):
        deadline = time.monotonic() + PING_SECONDS
        while subprocess.run(["ip", "netns", "exec", self.vm, "ping", "-c", "1", "-W", "1", address],
                             capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no answer from {address} in {PING_SECONDS} s\n{self.log()}")

    def log(self):
        path = os.path.join(self.desk, "log")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return f"-- {self.name}\n{file.read()}"

    def close(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(20)
        for namespace in (self.namespace, self.vm):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


def build_from_clone(url, lines, directory, clock):
    """The first block; the package's path."""
    clone = os.path.join(directory, "rove")
    clock.step("-", f"git clone {url}", lambda: deb.run("git", "clone", "-q", os.path.abspath(url)
                                                        if os.path.isdir(url) else url, clone))
    for line in lines:
        words = line.removeprefix("sudo ")
        clock.step("-", line, lambda: deb.run("sh", "-ec", words, cwd=clone))
    return glob.glob(os.path.join(clone, "build/release/rove_*.deb"))[0]


def connect(hosts):
    alpha, beta = hosts.values()
    deb.run("ip", "-n", alpha.namespace, "link", "add", "wan0", "type", "veth", "peer", "name", "wan0", "netns",
            beta.namespace)
    for host in hosts.values():
        deb.run("ip", "-n", host.namespace, "addr", "add", HOSTS[host.name][0] + "/24", "dev", "wan0")
        deb.run("ip", "-n", host.namespace, "link", "set", "wan0", "up")


def set_up_network(lines, hosts, clock):
    """The second block. What comes before the first "# on …" is typed at every host."""
    at = None
    for line in lines:
        if heading := re.match(r"# on (\w+)", line):
            at = hosts[heading[1]]
            if line.endswith("with that file"):
                shutil.copy(os.path.join(hosts["alpha"].desk, "beta.rove"), at.desk)
            continue
        if line.startswith("rove status"):  # the network is there: virtual machines come
            for host in hosts.values():
                host.add_vm()
            clock.step("beta", "(its VM pings alpha's)", lambda: hosts["beta"].ping(HOSTS["alpha"][1]))
        for host in [at] if at else hosts.values():
            answer = clock.step(host.name, line, lambda: host.type(line))
            if line.startswith(("rove status", "rove peers", "rove lookup")):
                print("".join(f"{'':19}| {each}\n" for each in answer.splitlines()), end="", flush=True)
                check_answer(line, answer)


def check_answer(line, answer):
    wanted = {"rove peers": "alpha", "rove lookup": "alpha", "rove status": "office"}["rove " + line.split()[1]]
    if wanted not in answer:
        raise RuntimeError(f"{line}: no \"{wanted}\" in its answer")


def main():
    parser = argparse.ArgumentParser()
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--build")
    source.add_argument("--clone")
    options = parser.parse_args()
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("skipped: needs root, and /dev/net/tun")
        sys.exit(deb.SKIP)
    deb.need("mmdebstrap", "cpack", "dpkg-shlibdeps", "ip", "ping", "git")
    build_lines, lines = read_blocks()
    clock, hosts = Clock(), {}
    directory = tempfile.mkdtemp(prefix="rove-newcomer-")
    try:
        if options.clone:
            package = build_from_clone(options.clone, build_lines, directory, clock)
        else:
            package = deb.pack(options.build, os.path.join(directory, "deb"))
        cache = os.path.join(options.build or os.path.join(deb.ROOT, "build/release"), "debian")
        clock.step("-", "(two clean systems)", lambda: hosts.update(
            {name: Host(name, cache, directory) for name in HOSTS}))
        connect(hosts)
        for host in hosts.values():
            shutil.copy(package, host.desk)
        ready = time.monotonic()
        set_up_network(lines, hosts, clock)
        print(f"{time.monotonic() - ready:8.2f} s  from the package to a working network")
        if options.clone:
            print(f"{time.monotonic() - clock.began:8.2f} s  from the clone")
    except RuntimeError as error:
        print(error, *(host.log() for host in hosts.values()), sep="\n")
        sys.exit(1)
    finally:
        for host in hosts.values():
            host.close()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
