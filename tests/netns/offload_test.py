#!/usr/bin/env python3
"""A network that loses what the kernel cuts: the hosts find out, and send one by one. Usage: offload_test.py ROVE

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0] ─ br0 10.77.0.250

A veth passes on in one piece what a network card would cut, so a rule at host b on the length takes exactly that.
"""

import signal
import subprocess
import sys

import cli_test
from cli_test import PORT, wait_for

OCTETS = 20_000_000
RULES = f"""
table inet cut {{
  chain input {{
    type filter hook input priority 0
    udp dport {PORT} meta length > 1500 counter {{verdict}}
  }}
}}
"""


def set_rule(host, verdict):
    subprocess.run(["ip", "netns", "exec", host.namespace, "nft", "-f", "-"], text=True, check=True,
                   input="table inet cut\ndelete table inet cut\n" + RULES.replace("{verdict}", verdict))


def large_datagrams(host):
    """How many datagrams came uncut since set_rule()."""
    listed = subprocess.run(["ip", "netns", "exec", host.namespace, "nft", "list", "table", "inet", "cut"], text=True,
                            capture_output=True, check=True).stdout.split()
    return int(listed[listed.index("packets") + 1])


def transfer(lab):
    """TCP from the VM to host b: whether all of it came."""
    receive = ("import socket;s=socket.create_server(('10.77.0.250',9000));print('ready',flush=True);"
               "c,_=s.accept();n=0\nwhile data:=c.recv(1<<20): n+=len(data)\nprint(n)")
    send = f"import socket;s=socket.create_connection(('10.77.0.250',9000),20);s.sendall(bytes({OCTETS}))"
    _, b, vm = lab.namespaces
    with subprocess.Popen(["ip", "netns", "exec", b, sys.executable, "-c", receive], text=True,
                          stdout=subprocess.PIPE) as receiver:
        try:
            receiver.stdout.readline()
            subprocess.run(["ip", "netns", "exec", vm, sys.executable, "-c", send], check=False, timeout=60)
            return receiver.communicate(timeout=60)[0].strip() == str(OCTETS)
        finally:
            receiver.kill()


def segmentation(host):
    peers = host.json("peers")["peers"]
    return peers[0]["segmentation"] if peers else None


def restart(host):
    """A new session, and so another try."""
    host.stop(signal.SIGKILL)
    host.start()


def run(lab, checks):
    a, b = lab.hosts
    lab.join_both()
    set_rule(b, "accept")
    a.start()
    b.start()
    checks.check(wait_for(lambda: segmentation(a) == segmentation(b) == "works", 30),
                 "what the kernel cuts arrives, and both hosts know it")
    checks.check(transfer(lab), f"{OCTETS} octets of TCP arrive")
    checks.check(large_datagrams(b) > 100, f"{large_datagrams(b)} pieces came uncut: the rule sees them")

    set_rule(b, "drop")
    restart(b)
    checks.check(wait_for(lambda: segmentation(a) == "broken", 30), "it arrives no longer: found")
    checks.check(segmentation(b) == "works", "the way back is another matter")
    checks.check("peer-segmentation peer=b works=no" in a.log(), "the log says so")
    checks.check(a.json("status", "--counters")["counters"]["peers"]["segments_refused"] == 1, "a counter, too")
    before = large_datagrams(b)
    checks.check(transfer(lab), f"{OCTETS} octets of TCP arrive all the same")
    checks.check(large_datagrams(b) == before, "none of them was to be cut by the kernel")

    set_rule(b, "accept")
    restart(b)
    checks.check(wait_for(lambda: segmentation(a) == "works", 30), "it arrives again: found with the next session")
    checks.check("peer-segmentation peer=b works=yes" in a.log(), "the log says so")


if __name__ == "__main__":
    cli_test.run_checks(run)
