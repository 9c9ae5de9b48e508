"""What the tests with a guest share: the lab of docker/demolib, checks that are counted, and a clean end."""

import contextlib
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "demolib"))

# pylint: disable=wrong-import-position
import sites  # noqa: E402
from experiment import Experiment  # noqa: E402
from guest import MAC  # noqa: E402
from guest_image import GuestImage  # noqa: E402
from overlay import RoveOverlay  # noqa: E402

SKIP = 77


def require():
    """Ends the test as skipped where it is not permitted."""
    for missing, what in (
        (os.geteuid() != 0, "root"),
        (not os.path.exists("/dev/net/tun"), "/dev/net/tun"),
        (shutil.which("qemu-system-x86_64") is None, "qemu-system-x86_64"),
        (not os.path.exists("/bin/busybox"), "busybox-static"),
    ):
        if missing:
            print(f"skipped: needs {what}")
            sys.exit(SKIP)


class Checks:
    """Goes on after a failure, so that one run shows all of them."""

    def __init__(self):
        self._begin = time.monotonic()
        self.passed, self.failed = 0, 0

    def say(self, text):
        print(f"[{time.monotonic() - self._begin:6.1f} s] {text}", flush=True)

    def check(self, condition, what):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
        self.say(f"{'ok    ' if condition else 'FAILED'} {what}")

    def finish(self):
        print(f"{self.passed} checks passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


OWNER_PATIENCE_S = 30
KNOWN6_PATIENCE_S = 20


def check_owner(checks, overlay, site, what):
    """Within 30 s every site names that host for both addresses of the guest, and nowhere else it is live."""
    deadline = time.monotonic() + OWNER_PATIENCE_S
    begin = time.time()
    while True:
        # One look at everything: it must be right at the same time.
        named = {(at, address): overlay.lookup(at, address) for at in sites.SITES
                 for address in (sites.GUEST4, sites.GUEST6)}
        states = {at: overlay.vms(at).get(MAC) for at in sites.SITES}
        right = set(named.values()) == {site} and [at for at in sites.SITES if states[at] == "live"] == [site]
        if right or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    wrong = {f"{address} at {at}": node for (at, address), node in named.items() if node != site}
    checks.check(right, f"{what}: {site} is the owner, everywhere, after {time.time() - begin:.1f} s"
                        + ("" if right else f": {wrong} {states}"))


def make_known6(checks, lab):
    """The guest says its IPv6 address only when it is asked, and not before it has made sure that it is free."""
    begin = time.monotonic()
    while True:
        # ping ends by itself when the neighbour was not found for 3 s.
        pinged = lab.run("client-c", "ping", "-c", "1", "-w", "5", sites.GUEST6, check=False)
        took = time.monotonic() - begin
        if pinged.returncode == 0 or took > KNOWN6_PATIENCE_S:
            break
    checks.check(pinged.returncode == 0, f"client-c reaches the guest by IPv6 too, after {took:.1f} s")


def check_answers(checks, experiment, what, since=None, patience=OWNER_PATIENCE_S):
    """Every client gets an answer to something that it sent from now on (or from `since`), within 30 s."""
    begin = time.time() if since is None else since
    for site, probe in experiment.pings.items():
        checks.check(probe.wait_answered(begin, patience), f"{what}: client-{site} reaches the guest")


def stop(number, _frame):
    raise SystemExit(128 + number)


@contextlib.contextmanager
def running_lab(name, checks, replay=None, watches=False, workers=None):
    """(lab, overlay, experiment) with rove up at every site, `rove watch-qemu` beside each QEMU with `watches`; taken
    down afterwards, and the daemons' last words shown when something failed."""
    binary, wan_emulator = sys.argv[1:3]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    image = GuestImage(checks.say)
    lab = sites.Lab(f"{name}{os.getpid()}", wan_emulator)
    try:
        lab.build()
        overlay = RoveOverlay(lab, binary, replay=replay, watches=watches, workers=workers)
        checks.say("starting rove on every host")
        overlay.start()
        yield lab, overlay, Experiment(lab, overlay, image, checks.say)
    except BaseException:
        checks.failed += 1
        raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if checks.failed:
            for host in sites.HOSTS:
                log = lab.path(f"rove-{host}.log")
                if os.path.exists(log):
                    with open(log, encoding="utf-8", errors="replace") as file:
                        print(f"--- rove at {host}\n{''.join(file.readlines()[-40:])}")
        lab.close()
