#!/usr/bin/env python3
"""`docker/demo --compose` as an operator runs it: connections live through the moves, lookups are right, figures come
as the demo in namespaces has them; the containers are healthy and have no right too many; nothing is left behind.

usage: demo_test.py BUILD_FOLDER"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "docker", "demolib"))
sys.path.insert(0, os.path.join(ROOT, "tests", "vm"))

# pylint: disable=wrong-import-position
import docker_engine  # noqa: E402
import sites  # noqa: E402
from experiment import table  # noqa: E402
from lab_test import SKIP, Checks  # noqa: E402

DEMO = os.path.join(ROOT, "docker", "demo")
MOVES = 3
# Wide: the machine may be shared, and one processor busy with `docker exec`. What is usual is below 100 ms.
GAP_BEYOND_PAUSE_MS = 900
LOOKUP_MS = 5000
LOST_MAX = 60  # pings of 10 ms: the pause, what was on its way, and as much patience
DUPLICATED_MAX = 2
ROVE_UID = 7683
CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, CAP_SYS_NICE = 12, 13, 21, 23


def effective_capabilities(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))


def require():
    """Ends the test as skipped where it is not permitted."""
    may = effective_capabilities("self") if os.geteuid() == 0 else 0
    for missing, what in (
        (not may >> CAP_SYS_ADMIN & 1 or not may >> CAP_NET_ADMIN & 1, "root with CAP_SYS_ADMIN and CAP_NET_ADMIN"),
        (not os.path.exists("/dev/net/tun"), "/dev/net/tun"),
        (not os.path.ismount("/sys/fs/cgroup"), "/sys/fs/cgroup"),
        (shutil.which("docker") is None, "docker"),
        (docker_engine.compose_command() is None, "docker-compose"),
        (not docker_engine.answers(None) and shutil.which("dockerd") is None, "a Docker daemon, or dockerd"),
    ):
        if missing:
            print(f"skipped: needs {what}")
            sys.exit(SKIP)


def check_figures(checks, figures, output):
    checks.check(figures["schema"] == 1 and len(figures["moves"]) == MOVES, f"the JSON file has {MOVES} moves")
    checks.check(table(figures["moves"]) in output, "the table is that of the demo in namespaces")
    for move in figures["moves"]:
        name = f"{move['from']} → {move['to']}"
        clients = move["clients"].values()
        checks.check(move["tcp_alive"] and move["data_intact"], f"{name}: the TCP connection lives, its data is intact")
        worst = max(client["longest_gap_ms"] for client in clients) - move["paused_ms"]
        checks.check(worst < GAP_BEYOND_PAUSE_MS, f"{name}: longest gap beyond the pause {worst:.0f} ms")
        lost = [client["lost"] for client in clients]
        checks.check(max(lost) <= LOST_MAX, f"{name}: lost {lost}")
        duplicated = [client["duplicated"] for client in clients]
        checks.check(max(duplicated) <= DUPLICATED_MAX, f"{name}: duplicated {duplicated}")
        after = move["lookup_correct_after_ms"]
        checks.check(after is not None and after < LOOKUP_MS, f"{name}: lookups are right after {after} ms")


def state_of(engine, service, field):
    return engine.docker("inspect", "--format", f"{{{{.{field}}}}}", engine.container(service)).stdout.strip()


def check_containers(checks, engine):
    for service in ("host-a", "host-b", "host-c", "client-a", "workload", "router", "hypervisor"):
        checks.check(state_of(engine, service, "State.Health.Status") == "healthy", f"{service} is healthy")
    pid = state_of(engine, "host-b", "State.Pid")
    checks.check(os.stat(f"/proc/{pid}").st_uid == ROVE_UID, "rove is not root in its container")
    wanted = sum(1 << number for number in (CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE))
    checks.check(effective_capabilities(pid) == wanted, "rove has its three capabilities there, and no other")


def check_image(checks, engine):
    """The runtime image by itself, with less than it wants."""
    def run(*words):
        return engine.docker("run", "--rm", "--network", "none", *words, check=False)

    plain = run("--cap-drop", "ALL", "rove", "version")
    checks.check(plain.returncode == 0 and plain.stdout.startswith("rove "), "the image runs without any capability")
    silent = run("--entrypoint", "rove", "rove", "wait", "--timeout", "1")
    checks.check(silent.returncode != 0, "its health check fails without a daemon")
    refused = run("--cap-drop", "ALL", "--device", "/dev/net/tun", "--entrypoint", "sh", "rove", "-c",
                  "rove init x --subnet 10.0.0.0/8 >/dev/null 2>&1 && exec with-capabilities rove up")
    checks.check(refused.returncode == 1 and "CAP_NET_ADMIN" in refused.stderr,
                 "without CAP_NET_ADMIN the daemon says that it needs it")


def check_moves_by_hand(checks, engine):
    def vm(*words):
        return engine.docker("exec", engine.container("hypervisor"), "vm", *words, check=False)

    checks.check(vm("where").stdout == "a\n", "after three moves the workload is at a again")
    moved = vm("move", "b")
    checks.check(moved.returncode == 0 and moved.stdout.startswith("moved a → b: "), "vm move b: " + moved.stdout)
    again = vm("move", "b")
    checks.check(again.returncode == 1 and "is at b already" in again.stderr, "vm move b, again: " + again.stderr)
    checks.check(vm("where").stdout == "b\n", "the workload is at b")
    # Otherwise a move may cut it off for 2 s (docker/lab/vm).
    link = engine.docker("exec", engine.container("workload"), "ip", "-o", "link", "show", "eth0").stdout
    own, peer = re.match(r"(\d+): eth0@if(\d+):", link).groups()
    checks.check(own != peer, f"the ends of the workload's veth pair have different indices: {own}, {peer}")
    # A container that was restarted has lost its interface.
    client = engine.container("client-c")
    engine.docker("restart", "--time", "1", client)
    deadline = time.monotonic() + 20
    while vm("check").returncode != 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    plugged = vm("check")
    checks.check(plugged.returncode == 0, "a client that was restarted is plugged in again: " + plugged.stdout)
    if plugged.returncode != 0:
        print(engine.compose("logs", "--tail", "20", "hypervisor").stdout)


def run_demo(checks, *arguments):
    checks.say(f"docker/demo {' '.join(arguments)}")
    result = subprocess.run([DEMO, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    print(result.stdout, flush=True)
    return result


def check_stopped(checks, lab, engine):
    sites.remove(lab)  # what docker/demo --stop does, with this one only
    checks.check(not os.path.exists(os.path.join(sites.STATE, lab)), "no lab is left")
    if engine.host is None:
        checks.check(not engine.running(), "no container is left")
        return
    checks.check(not os.path.exists(docker_engine.RUN), "dockerd's directory is gone")
    left = subprocess.run(["pgrep", "-a", "-f", docker_engine.RUN], capture_output=True, text=True,
                          check=False).stdout
    checks.check(left == "", f"no dockerd, containerd or container is left {left}")
    bridges = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
    checks.check("10.77.1." not in bridges, "the sites' networks are gone")


def main():
    build = sys.argv[1]
    require()
    checks = Checks()
    before = set(sites.abandoned())
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "figures.json")
        result = run_demo(checks, "--compose", "--prebuilt", build, "--moves", str(MOVES), "--json", path, "--keep")
        checks.check(result.returncode == 0, f"docker/demo --compose ended with {result.returncode}")
        left = set(sites.abandoned()) - before
        if len(left) != 1:
            checks.check(False, "--keep leaves one lab running")
            checks.finish()
        lab = left.pop()
        with open(os.path.join(sites.STATE, lab, "lab.json"), encoding="utf-8") as file:
            engine = docker_engine.Engine(json.load(file)["docker"]["host"])
        try:
            with open(path, encoding="utf-8") as file:
                check_figures(checks, json.load(file), result.stdout)
            check_containers(checks, engine)
            check_image(checks, engine)
            check_moves_by_hand(checks, engine)
        finally:
            check_stopped(checks, lab, engine)
    checks.finish()


if __name__ == "__main__":
    main()
