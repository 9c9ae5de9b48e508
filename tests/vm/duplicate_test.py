#!/usr/bin/env python3
"""Two QEMU guests with the same MAC and the same addresses at two sites, both alive: a VM started from a clone of
another's disk. Both hosts alarm, the first one's neighbours at its site keep their connection, and everything is right
again soon after the second is gone. Usage: duplicate_test.py ROVE WAN_EMULATOR"""

import json
import time

import lab_test
import sites
from guest import Guest
from guest_image import GuestImage

BOTH_S = 14
ALARM_S = 10.0
ALARM_ENDS_S = 15.0
LONGEST_GAP_MS = 2000  # of the first guest's neighbour; pings come every 10 ms


def conflicts(overlay, site):
    return json.loads(overlay.rove(site, "status", "--json").stdout)["conflicts"]


def wait_for_conflicts(overlay, count, timeout):
    """Seconds until both hosts name so many conflicts, or None."""
    begin = time.monotonic()
    while time.monotonic() - begin < timeout:
        if all(len(conflicts(overlay, site)) == count for site in ("a", "b")):
            return round(time.monotonic() - begin, 1)
        time.sleep(0.2)
    return None


def main():
    lab_test.require()
    checks = lab_test.Checks()
    with lab_test.running_lab("rv2", checks) as (lab, overlay, experiment):
        experiment.boot_guest("a")
        experiment.start_pings()
        lab_test.make_known6(checks, lab)
        lab_test.check_owner(checks, overlay, "a", "one guest")

        checks.say("booting its double at b")
        double = Guest(lab, GuestImage(checks.say), name="double")
        begin = time.time()
        double.boot("b")
        after = wait_for_conflicts(overlay, 1, ALARM_S)
        checks.check(after is not None, f"both hosts alarm {after} s after the double was up (< {ALARM_S:.0f})")
        muted = {site: [entry["muted_here"] for entry in conflicts(overlay, site)] for site in ("a", "b")}
        checks.check(muted == {"a": [False], "b": [True]}, f"the double is cut off, not the first ({muted})")
        time.sleep(max(0.0, begin + BOTH_S - time.time()))
        end = time.time()
        for site, probe in experiment.pings.items():
            figures = probe.record().window(begin, end)
            checks.say(f"       client-{site}, while both live: {figures}")
            if site == "a":
                checks.check(figures["longest_gap_ms"] < LONGEST_GAP_MS,
                             f"client-a, beside the first: longest gap {figures['longest_gap_ms']:.0f} ms "
                             f"(< {LONGEST_GAP_MS}), {figures['lost']} lost in {end - begin:.0f} s")
        states = {site: overlay.vms(site) for site in sites.SITES}
        checks.say(f"       rove vms, while both live: {states}")

        double.discard(double.instance)
        after = wait_for_conflicts(overlay, 0, ALARM_ENDS_S)
        checks.check(after is not None, f"the alarm ends by itself, after {after} s (< {ALARM_ENDS_S:.0f})")
        lab_test.check_answers(checks, experiment, "the double is gone")
        lab_test.check_owner(checks, overlay, "a", "the double is gone")
    checks.finish()


main()
