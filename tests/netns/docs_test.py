#!/usr/bin/env python3
"""Does what the documentation says: every command of each ```console block runs, in order, on hosts of its own, and
prints what stands below it. Usage: docs_test.py ROVE FILE.md…

A file names its hosts in a comment, `<!-- hosts: alpha beta -->`. Each is a network, mount and UTS namespace on one
wire, 192.0.2.1, .2, …, called NAME.example.org, with /etc/rove, /var/lib/rove and /run of its own, and /mnt for all.

    alpha# rove status          a command at alpha; a backslash at its end goes on in the next line
    node  alpha                 what it prints. Numbers, times, durations, sizes and ids are compared as such, not by
                                value; `…` stands for anything, a line `…` for any number of lines
    (exit status 3)             how it ends, if not with 0

What ends with `&` goes on until the end of the file.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIP = 77
HOSTS = re.compile(r"<!-- hosts: ([a-z0-9 -]+) -->")
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^([a-z0-9-]+)# (.*)$")
# Words that differ from run to run: times of day, durations, ids and hashes, numbers, units of sizes.
VARIABLE = [re.compile(look) for look in (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", r"\d\d:\d\d:\d\d\.\d+",
    r"[+-]?\d+(?:\.\d+)?(?:us|ms|s|m\d+s|h\d+m|d)", r"[0-9a-f]{10,40}", r"\([0-9a-f]{10}(?:-dirty)?\)",
    r"\d+(?:\.\d+)?%?", r"[kMG]?B(?:/s)?")]
EXIT = re.compile(r"^\(exit status (\d+)\)$")
PATIENCE_S = 60
# Directories that each host has for itself, and the one that all share.
OWN = ("/etc/rove", "/var/lib/rove", "/run")
SHARED = "/mnt"


class Step:
    """One command, and what is to come of it."""

    def __init__(self, file, line, host, command):
        self.where = f"{file}:{line}"
        self.host, self.command = host, command
        self.output = []
        self.status = 0


def steps_of(path):
    """(names of hosts, steps) of a file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    named = HOSTS.search(text)
    steps = []
    for block in BLOCK.finditer(text):
        line = text[: block.start(1)].count("\n")
        for content in block[1].splitlines():
            line += 1
            if steps and steps[-1].command.endswith("\\"):
                steps[-1].command = steps[-1].command[:-1] + content.strip()
            elif prompt := PROMPT.match(content):
                steps.append(Step(os.path.basename(path), line, prompt[1], prompt[2]))
            elif ended := EXIT.match(content):
                steps[-1].status = int(ended[1])
            elif steps:
                steps[-1].output.append(content.rstrip())
            else:
                sys.exit(f"{path}:{line}: no command before this line: {content}")
    return named[1].split() if named else [], steps


def pattern_of(lines):
    """A regular expression for what a command is to print."""
    parts = []
    for line in lines:
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[ \t]+".join(map(word_pattern, squeeze(line).strip().split(" "))) + r"[ \t]*\n")
    return re.compile("".join(parts) + r"\Z")


def word_pattern(word):
    bare = word.rstrip(",;")
    for look in VARIABLE:
        if look.fullmatch(bare):
            return f"(?:{look.pattern})" + re.escape(word[len(bare):])
    return r"[^\n]*?".join(map(re.escape, word.split("…")))


def squeeze(line):
    return re.sub(r"[ \t]+", " ", line)


class Lab:
    """The hosts of one file."""

    def __init__(self, rove, names):
        self.directory = tempfile.mkdtemp(prefix="rove-docs-")
        self.names = names
        self.holders, self.background = {}, []
        self.rove = rove

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def start(self):
        os.makedirs(self.path("bin"))
        os.makedirs(self.path("shared"))
        shutil.copy(self.rove, self.path("bin", "rove"))
        with open(self.path("hosts"), "w", encoding="ascii") as file:
            file.write("127.0.0.1 localhost\n")
            for number, name in enumerate(self.names, 1):
                file.write(f"192.0.2.{number} {name}.example.org {name}\n")
        self.add_namespace("wire", "ip link add wire type bridge && ip link set wire up")
        for number, name in enumerate(self.names, 1):
            own = "".join(f"mkdir -p {each} && mount -t tmpfs tmpfs {each} && " for each in OWN)
            self.add_namespace(name, f"{own} mkdir -p /run/netns && mount -t sysfs sysfs /sys && "
                                     f"mount --bind {self.path('shared')} {SHARED} && "
                                     f"mount --bind {self.path('hosts')} /etc/hosts && hostname {name} && "
                                     "ip link set lo up")
            wire = self.holders["wire"].pid
            self.run(name, f"ip link add eth0 type veth peer name {name} netns {wire} && "
                           f"ip address add 192.0.2.{number}/24 dev eth0 && ip link set eth0 up", check=True)
            self.run("wire", f"ip link set {name} master wire up", check=True)

    def add_namespace(self, name, setup):
        """A process that holds the namespaces, once `setup` has run in them."""
        ready = self.path(f"{name}.ready")
        self.holders[name] = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--propagation", "private", "sh", "-c",
             f"set -e; {setup}; touch {ready}; exec sleep infinity"], env=self.environment(), stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not os.path.exists(ready):
            if self.holders[name].poll() is not None or time.monotonic() > deadline:
                raise OSError(f"no namespaces for {name}")
            time.sleep(0.01)

    def environment(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ROVE_")}
        return dict(environment, PATH=f"{self.path('bin')}:{environment['PATH']}", LC_ALL="C.UTF-8", NO_COLOR="1")

    def inside(self, name, command):
        return ["nsenter", "--net", "--mount", "--uts", "--target", str(self.holders[name].pid), "bash", "-c", command]

    def run(self, name, command, check=False):
        return subprocess.run(self.inside(name, command), env=self.environment(), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=PATIENCE_S, check=check)

    def run_on(self, name, command):
        """In the background; what it says goes to a file."""
        number = len(self.background)
        with open(self.path(f"background-{number}"), "wb") as log:
            self.background.append(subprocess.Popen(
                self.inside(name, f"exec {command}"), env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log))

    def logs(self):
        for number, _ in enumerate(self.background):
            with open(self.path(f"background-{number}"), encoding="utf-8") as file:
                yield file.read()

    def close(self):
        for process in [*self.background, *self.holders.values()]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM if process in self.background else signal.SIGKILL)
        for process in [*self.background, *self.holders.values()]:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def perform(lab, step):
    """Runs a step; what is wrong with it, or nothing."""
    command = step.command.split("  #")[0].strip()
    if command.endswith("&") and not command.endswith("&&"):
        lab.run_on(step.host, command[:-1])
        return ""
    try:
        result = lab.run(step.host, command)
    except subprocess.TimeoutExpired:
        return f"did not end within {PATIENCE_S} s"
    printed = result.stdout + result.stderr
    if result.returncode != step.status:
        return f"exit status {result.returncode}, not {step.status}:\n{printed}"
    if step.output and not pattern_of(step.output).match("".join(f"{squeeze(line).strip()}\n"
                                                                  for line in printed.splitlines())):
        return "printed\n" + printed + "and not\n" + "\n".join(step.output)
    return ""


def check(rove, path):
    """How many steps of the file failed: none, or 1, as what follows depends on it."""
    names, steps = steps_of(path)
    unknown = {step.host for step in steps} - set(names)
    if unknown or not steps:
        print(f"FAIL  {path}: " + (f"no such hosts: {' '.join(unknown)}" if steps else "no console block"))
        return 1
    lab = Lab(rove, names)
    try:
        try:
            lab.start()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"skipped: {error}")
            sys.exit(SKIP)
        for step in steps:
            problem = perform(lab, step)
            print(f"{'FAIL' if problem else 'ok'}  {step.where}: {step.host}# {step.command}", flush=True)
            if problem:
                print(problem)
                for log in lab.logs():
                    print("== in the background\n" + log)
                return 1
        return 0
    finally:
        lab.close()


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("skipped: needs root and /dev/net/tun")
        sys.exit(SKIP)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(1 if sum(check(sys.argv[1], path) for path in sys.argv[2:]) else 0)


if __name__ == "__main__":
    main()
