#!/usr/bin/env python3
"""compare takes every figure of rove and of kernel VXLAN, and a TCP stream of the yardsticks; how large they are says
nothing on a busy machine.
Usage: smoke_test.py ROVE UDP_BLAST BARE_OVERLAY
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
COMPARE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compare")
EVERYTHING = ("tcp_gbps", "tcp8_gbps", "reverse_gbps", "cpu_s_per_gb", "rtt_us", "rtt_p99_us", "rtt_awake_us",
           "rtt_p99_loaded_us", "udp64_pps", "udp64_device_pps", "udp64_offered_pps",
           "udp1400_pps", "udp1400_device_pps", "udp1400_offered_pps")
MEMORY = ("rss_mib", "rss_rest_mib")  # the kernel's own has none
STREAM = ("tcp_gbps", "cpu_s_per_gb")
# Options of compare, and what it is to tell of each system.
RUNS = (
    ((), {"rove": EVERYTHING + MEMORY, "vxlan": EVERYTHING}),
    (("--only", "tcp"), {"bare": STREAM, "bare-plain": STREAM}),
)


def problems_of(report, expected):
    if report["schema"] != 1:
        yield f"schema {report['schema']}"
    for system, names in expected.items():
        figures = report["systems"].get(system)
        if figures is None:
            yield f"{system} was not measured"
            continue
        for name in names:
            value = figures.get(name)
            if not isinstance(value, (int, float)) or value <= 0:
                yield f"{system}: {name}: {value}"
        if len(figures["rounds"]) != 1:
            yield f"{system}: {len(figures['rounds'])} rounds"


def main():
    rove, udp_blast, bare_overlay = sys.argv[1:]
    if shutil.which("iperf3") is None:
        print("skipped: needs iperf3")
        sys.exit(SKIP)
    problems = []
    with tempfile.TemporaryDirectory(prefix="rove-bench-smoke-") as directory:
        path = os.path.join(directory, "figures.json")
        for options, expected in RUNS:
            run = subprocess.run([sys.executable, "-B", COMPARE, rove, "--udp-blast", udp_blast, "--bare-overlay",
                                  bare_overlay, "--systems", ",".join(expected), "--rounds", "1", "--seconds", "1",
                                  "--json", path, *options], check=False)
            if run.returncode != 0:
                sys.exit(run.returncode)
            with open(path, encoding="utf-8") as file:
                problems += problems_of(json.load(file), expected)
    for problem in problems:
        print(f"FAILED {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
