#!/usr/bin/env python3
"""A QEMU guest moves and nobody says so: no RARP, no gratuitous ARP, and it sends nothing unless it is asked. The other
sites reach it all the same, with its old host's daemon alive and with it killed in that moment.
Usage: silent_test.py ROVE WAN_EMULATOR"""

import time

import lab_test
import sites
from guest import Guest
from guest_image import GuestImage
from probes import Probe

# Without a search it would be found after 4 s at the earliest, when its old host gives it up.
REACHED_MS = 2000
QUIET_S = 0.5
WATCH_S = 3.0


def move(checks, lab, guest, target, on_resumed=lambda resumed: None):
    """Moves the guest while nobody talks to it, so that no frame that waits for it makes it speak; checks that a client
    at the third site reaches it soon."""
    source = guest.site
    third = next(site for site in sites.SITES if site not in (source, target))
    done = guest.migrate(target, on_resumed)
    time.sleep(max(0.0, done.resumed + QUIET_S - time.time()))
    begin = time.time()
    probe = Probe(lab, third, "ping", sites.GUEST4)
    time.sleep(WATCH_S)
    probe.stop()
    after = probe.record().first_answer(begin)
    checks.check(after is not None and after < REACHED_MS,
                 f"{source} → {target}, unannounced: client-{third} reaches it {after} ms after it began to try "
                 f"(< {REACHED_MS})")


def main():
    lab_test.require()
    checks = lab_test.Checks()
    with lab_test.running_lab("rvs", checks) as (lab, overlay, _):
        guest = Guest(lab, GuestImage(checks.say), announces=False)
        guest.boot("a")
        for site in sites.SITES:
            probe = Probe(lab, site, "ping", sites.GUEST4)
            checks.check(probe.wait_answered(time.time(), 30), f"client-{site} reaches the guest")
            probe.stop()

        move(checks, lab, guest, "b")
        after = overlay.wait_lookup("b", time.time(), 10)
        checks.check(after is not None, "rove lookup names b at every site")
        move(checks, lab, guest, "c", on_resumed=lambda _: overlay.kill_daemon("b"))
        checks.check(overlay.lookup("a", sites.GUEST4) == "c", "rove lookup at a names c")
    checks.finish()


main()
