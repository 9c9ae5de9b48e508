#!/usr/bin/env python3
"""Who listens on the underlay sees nothing of the guests' traffic: a capture of rove's port during a move holds no
pattern of 12 bytes of it. The same search in a capture of a bridge does find it. Usage: capture_test.py ROVE
WAN_EMULATOR"""

import json
import time

import lab_test
import overlay as overlays
import sites
from guest import MAC, TAP
from probe_client import PATTERN

PATTERN_LENGTH = 12
DATAGRAMS_MIN = 2000


def capture(lab, namespace, interface, name, *expression):
    path = lab.path(f"{name}.pcap")
    process = lab.spawn(namespace, "tcpdump", "-Z", "root", "-U", "-s", "0", "-i", interface, "-w", path, *expression,
                        log=f"{name}.log")
    sites.wait_for(lambda: "listening on" in process.last_lines(), 10, process)
    return process, path


def patterns(lab):
    """name -> what a frame between the clients and the guest holds."""
    found = {f"payload at {begin}": PATTERN[begin : begin + PATTERN_LENGTH]
             for begin in range(len(PATTERN) - PATTERN_LENGTH + 1)}
    guest = bytes.fromhex(MAC.replace(":", ""))
    for site in sites.SITES:
        shown = lab.run(f"client-{site}", "ip", "-json", "link", "show", "eth0").stdout
        client = bytes.fromhex(json.loads(shown)[0]["address"].replace(":", ""))
        found[f"Ethernet header to client-{site}"] = client + guest
        found[f"Ethernet header from client-{site}"] = guest + client
    return found


def main():
    lab_test.require()
    checks = lab_test.Checks()
    with lab_test.running_lab("rvc", checks) as (lab, _, experiment):
        wanted = patterns(lab)
        outside, outside_path = capture(lab, "router", "any", "underlay", "udp", "port", str(overlays.PORT))
        experiment.boot("a")
        inside, inside_path = capture(lab, "host-a", TAP, "bridge")
        time.sleep(3)
        inside.stop()
        move = experiment.move("b")
        checks.check(move["tcp_alive"] and move["data_intact"], "the guest moved while all was captured")
        experiment.finish()
        outside.stop()

        with open(inside_path, "rb") as file:
            clear = file.read()
        with open(outside_path, "rb") as file:
            sealed = file.read()
        missing = sorted(name for name, pattern in wanted.items() if pattern not in clear)
        checks.check(not missing, f"the search finds all patterns in clear traffic (missing: {missing})")
        datagrams = count_packets(outside_path, lab)
        checks.check(datagrams >= DATAGRAMS_MIN, f"{datagrams} datagrams were captured (at least {DATAGRAMS_MIN})")
        seen = sorted(name for name, pattern in wanted.items() if pattern in sealed)
        checks.check(not seen, f"none of {len(wanted)} patterns is on the underlay (seen: {seen})")
    checks.finish()


def count_packets(path, lab):
    return len(lab.run("router", "tcpdump", "-nn", "-t", "-r", path, timeout=60).stdout.splitlines())


main()
