#!/usr/bin/env python3
"""A QEMU guest moves and nobody says so: no RARP, no gratuitous ARP, and it sends nothing unless it is asked. The other
sites reach it all the same, with its old host's daemon alive and with it killed in that moment; and at once where
`rove watch-qemu` follows its QEMU.
Usage: silent_test.py ROVE WAN_EMULATOR"""

import time

import lab_test
import sites
from guest import Guest
from guest_image import GuestImage
from probes import Probe

# Without a search it would be found after 4 s at the earliest, when its old host gives it up.
REACHED_MS = 2000
KNOWN_MS = 500  # with watch-qemu: every site knows its new host, without any frame
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
        guest = Guest(lab, GuestImage(checks.say), announces=False, watch=overlay.watch_qemu)
        guest.boot("a")
        for site in sites.SITES:
            probe = Probe(lab, site, "ping", sites.GUEST4)
            checks.check(probe.wait_answered(time.time(), 30), f"client-{site} reaches the guest")
            probe.stop()

        overlay.watches = True
        known = []
        move(checks, lab, guest, "c", on_resumed=lambda resumed: known.append(overlay.wait_lookup("c", resumed, 10)))
        checks.check(known[0] is not None and known[0] < KNOWN_MS,
                     f"with watch-qemu: rove lookup names c at every site {known[0]} ms after RESUME (< {KNOWN_MS})")
        overlay.watches = False
        move(checks, lab, guest, "b")
        after = overlay.wait_lookup("b", time.time(), 10)
        checks.check(after is not None, "rove lookup names b at every site")
        move(checks, lab, guest, "a", on_resumed=lambda _: overlay.kill_daemon("b"))
        checks.check(overlay.lookup("c", sites.GUEST4) == "a", "rove lookup at c names a")
    checks.finish()


main()
