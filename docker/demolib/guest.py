"""A QEMU guest at a site, and its live migration to another."""

import time

import sites
from guest_image import ECHO_PORT
from qmp import Qmp, QmpError

# QEMU before 9.0 loses guest writes in TCG migrations when RAM is a multiple of 64 pages.
MEMORY = "131080K"
MAC = "52:54:00:99:00:10"
MIGRATION_PORT = 7700
# The guest is small and idle: the stream is over in a second or so, and the machine is stopped when what is left
# fits into this.
DOWNTIME_LIMIT_MS = 60
BANDWIDTH_MAX = 64 << 20  # bytes per second
TAP = "vm0"

__all__ = ["ECHO_PORT", "MAC", "Guest", "Move"]


class Move:
    """What QEMU tells of one migration; times are seconds since 1970 by QEMU's event stamps."""

    def __init__(self, source, target, stopped, resumed, downtime_ms):
        self.source, self.target = source, target
        self.stopped, self.resumed = stopped, resumed
        self.qemu_downtime_ms = downtime_ms

    @property
    def paused_ms(self):
        return (self.resumed - self.stopped) * 1e3


class Guest:
    """The one guest of the lab. `site` is where it runs. With `announces` off neither QEMU (RARP) nor the guest's
    driver (gratuitous ARP) says anything after a move. With `only6` it has no IPv4 address."""

    def __init__(self, lab, image, announces=True, only6=False):
        self._lab, self._image, self._announces, self._only6 = lab, image, announces, only6
        self._instances = 0
        self._process = self._qmp = None
        self.site = None

    def boot(self, site, timeout=120.0):
        self._process, self._qmp = self._start(site, [])
        self.site = site
        sites.wait_for(self._is_ready, timeout, self._process)

    def _is_ready(self):
        with open(self._lab.path("console.log"), "rb") as console:
            return b"rove guest ready" in console.read()

    def _start(self, site, arguments):
        """Starts QEMU with a TAP of its own in the site's bridge, as libvirt does."""
        host = f"host-{site}"
        self._lab.ip(host, "tuntap", "add", TAP, "mode", "tap", "vnet_hdr")
        self._lab.ip(host, "link", "set", TAP, "master", sites.BRIDGE, "mtu", sites.INNER_MTU, "up")
        self._instances += 1
        control = self._lab.path(f"qmp-{self._instances}")
        command_line = (f"console=ttyS0 quiet panic=1 mitigations=off rove.ip6={sites.GUEST6}/64 "
                        f"rove.mtu={sites.INNER_MTU}")
        if not self._only6:
            command_line += f" rove.ip4={sites.GUEST4}/24"
        process = self._lab.spawn(
            host, "qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-cpu", "qemu64", "-smp", "1", "-m", MEMORY,
            "-nodefaults", "-nographic", "-no-user-config", "-kernel", self._image.kernel,
            "-initrd", self._image.initramfs, "-append", command_line,
            "-chardev", f"file,id=console,append=on,path={self._lab.path('console.log')}",
            "-serial", "chardev:console", "-qmp", f"unix:{control},server=on,wait=off",
            "-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no,vhost=off",
            "-device", f"virtio-net-pci,netdev=net,mac={MAC},romfile=,"
                       f"guest_announce={'on' if self._announces else 'off'}", *arguments, log=f"qemu-{site}.log")
        try:
            return process, Qmp(control, time.monotonic() + 20)
        except QmpError as error:
            raise QmpError(f"{error}\n{process.last_lines()}") from None

    def migrate(self, target, on_resumed=lambda resumed: None):
        """Moves the running guest to the host of another site over the underlay; returns the Move. `on_resumed` is
        called with the time as soon as the guest runs at the target."""
        address = f"{sites.underlay(target)}:{MIGRATION_PORT}"
        process, qmp = self._start(target, ["-incoming", f"tcp:{address}"])
        qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        if not self._announces:
            qmp.command("migrate-set-parameters", **{"announce-rounds": 0})
        source = self._qmp
        source.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        source.command("migrate-set-parameters", **{"downtime-limit": DOWNTIME_LIMIT_MS,
                                                    "max-bandwidth": BANDWIDTH_MAX})
        source.command("migrate", uri=f"tcp:{address}")
        resumed, _ = qmp.wait_event("RESUME", 120)
        on_resumed(resumed)
        stopped, _ = source.wait_event("STOP", 5)
        source.wait_event("MIGRATION", 20, lambda data: data["status"] == "completed")
        downtime_ms = source.command("query-migrate")["downtime"]
        self._retire(self.site)
        move = Move(self.site, target, stopped, resumed, downtime_ms)
        self._process, self._qmp, self.site = process, qmp, target
        return move

    def _retire(self, site):
        """The source's QEMU ends and its TAP goes, as libvirt does once the target runs."""
        self._qmp.command("quit")
        if not self._process.wait(10):
            self._process.kill()
        self._qmp.close()
        self._lab.ip(f"host-{site}", "link", "del", TAP)
