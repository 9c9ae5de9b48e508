#!/usr/bin/env python3
"""Two QEMU guests with the same MAC and the same addresses at two sites, both alive: a VM started from a clone of
another's disk. The first one's neighbours at its site keep their connection, and everything is right again soon after
the second is gone. Usage: duplicate_test.py ROVE WAN_EMULATOR"""

import time

import lab_test
import sites
from guest import Guest
from guest_image import GuestImage

BOTH_S = 12
LONGEST_GAP_MS = 2000  # of the first guest's neighbour; pings come every 10 ms


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
        time.sleep(BOTH_S)
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
        lab_test.check_answers(checks, experiment, "the double is gone")
        lab_test.check_owner(checks, overlay, "a", "the double is gone")
    checks.finish()


main()
