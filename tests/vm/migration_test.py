#!/usr/bin/env python3
"""A QEMU guest moves a → b → c → a while clients at every site talk to it: nothing breaks, nobody waits much longer
than the hypervisor's own pause, and everybody knows where it is; also without the bootstrap node, and after daemons
were killed. Usage: migration_test.py ROVE WAN_EMULATOR"""

import statistics
import time

import lab_test
import sites
from experiment import excess, route, table

# What the demo shows on a quiet machine is 100 and 250 at most (docs/benchmarks.md). The guest is emulated and the
# machine shared, so what decides a test is wider: a frame that waits for a lookup, a lost announce or the bridge's
# ageing takes longer than this all the same.
GAP_BEYOND_PAUSE_MEDIAN_MS = 400
GAP_BEYOND_PAUSE_WORST_MS = 900
LOOKUP_MS = 1000
BACK_IN_SERVICE_S = 15


def check_moves(checks, overlay, experiment):
    moves = []
    for number, target in enumerate(route(3), 1):
        moves.append(experiment.move(target))
        if number == 1:
            overlay.kill_bootstrap(checks.say)
    print(table(moves))
    for move in moves:
        name = f"{move['from']} → {move['to']}"
        checks.check(move["tcp_alive"], f"{name}: the TCP connection lives on")
        checks.check(move["data_intact"], f"{name}: its data is intact")
        after = move["lookup_correct_after_ms"]
        checks.check(after is not None and after < LOOKUP_MS,
                     f"{name}: rove lookup right at every site after {after} ms (< {LOOKUP_MS})")
        worst = max(excess(move))
        checks.check(worst < GAP_BEYOND_PAUSE_WORST_MS,
                     f"{name}: longest gap beyond the pause {worst:.0f} ms (< {GAP_BEYOND_PAUSE_WORST_MS})")
    median = statistics.median(value for move in moves for value in excess(move))
    checks.check(median < GAP_BEYOND_PAUSE_MEDIAN_MS,
                 f"longest gap beyond the pause, median {median:.0f} ms (< {GAP_BEYOND_PAUSE_MEDIAN_MS})")


def check_command_line(checks, overlay):
    for address in (sites.GUEST4, sites.GUEST6):
        checks.check(overlay.lookup("b", address) == "a", f"rove lookup {address} at b names a")
    status = overlay.rove("b", "lookup", "10.99.0.77", check=False).returncode
    checks.check(status == 3, f"rove lookup of an unknown address ends with {status} (3)")
    status = overlay.rove(sites.BOOTSTRAP, "lookup", sites.GUEST4, check=False).returncode
    checks.check(status == 5, f"rove lookup where no daemon runs ends with {status} (5)")


def check_restart(checks, overlay, experiment, host):
    """kill -9 and start again: the host's client and guest are reachable without any action elsewhere."""
    checks.say(f"killing the daemon of host-{host} with -9 and starting it again")
    overlay.kill_daemon(host)
    overlay.start_daemon(host)
    begin = time.time()
    for site, probe in experiment.pings.items():
        answered = probe.wait_answered(begin + 0.5, BACK_IN_SERVICE_S)
        checks.check(answered, f"client-{site} reaches the guest after the restart of host-{host}")
    after = overlay.wait_lookup(experiment.guest.site, begin, BACK_IN_SERVICE_S)
    checks.check(after is not None, f"rove lookup right at every site after the restart of host-{host}")


def main():
    lab_test.require()
    checks = lab_test.Checks()
    with lab_test.running_lab("rvm", checks) as (_, overlay, experiment):
        experiment.boot()
        check_moves(checks, overlay, experiment)
        check_command_line(checks, overlay)
        check_restart(checks, overlay, experiment, "c")  # where clients only are
        check_restart(checks, overlay, experiment, "a")  # where the guest is
        last = experiment.move("b")
        checks.check(last["tcp_alive"] and last["data_intact"] and last["lookup_correct_after_ms"] is not None,
                     "a move after all that works")
        broken = experiment.finish()
        checks.check(broken is None, f"the TCP connection brought back every line, in order ({broken or 'all there'})")
    checks.finish()


main()
