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


def stop(number, _frame):
    raise SystemExit(128 + number)


@contextlib.contextmanager
def running_lab(name, checks):
    """(lab, overlay, experiment) with rove up at every site; taken down afterwards, and the daemons' last words shown
    when something failed."""
    binary, wan_emulator = sys.argv[1:3]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    image = GuestImage(checks.say)
    lab = sites.Lab(f"{name}{os.getpid()}", wan_emulator)
    try:
        lab.build()
        overlay = RoveOverlay(lab, binary)
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
