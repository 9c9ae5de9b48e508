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
BANDWIDTH_LOW = 2 << 20  # so slow that there is time to do something before the end
TAP = "vm0"

__all__ = ["ECHO_PORT", "MAC", "Guest", "Instance", "Move", "kernel_command_line"]


def kernel_command_line(only6=False):
    """What the guest's kernel and its first program are told; with `only6` it has no IPv4 address."""
    words = (f"console=ttyS0 quiet panic=1 mitigations=off rove.ip6={sites.GUEST6}/64 rove.mtu={sites.INNER_MTU}")
    return words if only6 else f"{words} rove.ip4={sites.GUEST4}/24"


class Move:
    """What QEMU tells of one migration; times are seconds since 1970 by QEMU's event stamps. `downtime_ms` is None
    where no QEMU is."""

    def __init__(self, source, target, stopped, resumed, downtime_ms):
        self.source, self.target = source, target
        self.stopped, self.resumed = stopped, resumed
        self.qemu_downtime_ms = downtime_ms

    @property
    def paused_ms(self):
        return (self.resumed - self.stopped) * 1e3


class Instance:
    """One QEMU: at a site, with a TAP of its own there."""

    def __init__(self, site, process, qmp, watcher):
        self.site, self.process, self.qmp, self.watcher = site, process, qmp, watcher


class Guest:
    """The one guest of the lab. `site` is where it runs. With `announces` off neither QEMU (RARP) nor the guest's
    driver (gratuitous ARP) says anything after a move. With `only6` it has no IPv4 address. Another `name` makes a
    second one with the same addresses. `watch` starts what follows each QEMU: it gets the site and a QMP socket, and
    returns the Process, or None."""

    kind = "QEMU, no KVM"

    def __init__(self, lab, image, announces=True, only6=False, name="guest", watch=lambda site, socket: None):
        self._lab, self._image, self._announces, self._only6 = lab, image, announces, only6
        self._name, self._watch = name, watch
        self._instances = 0
        self.instance = None

    @property
    def site(self):
        return self.instance.site if self.instance else None

    def boot(self, site, timeout=120.0):
        self.instance = self._start(site, [])
        sites.wait_for(self._is_ready, timeout, self.instance.process)

    def _console(self):
        return self._lab.path(f"{self._name}-console.log")

    def _is_ready(self):
        with open(self._console(), "rb") as console:
            return b"rove guest ready" in console.read()

    def _start(self, site, arguments):
        """Starts QEMU with a TAP of its own in the site's bridge, as libvirt does."""
        host = f"host-{site}"
        self._lab.ip(host, "tuntap", "add", TAP, "mode", "tap", "vnet_hdr")
        self._lab.ip(host, "link", "set", TAP, "master", sites.BRIDGE, "mtu", sites.INNER_MTU, "up")
        self._instances += 1
        control = self._lab.path(f"{self._name}-qmp-{self._instances}")
        process = self._lab.spawn(
            host, "qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-cpu", "qemu64", "-smp", "1", "-m", MEMORY,
            "-nodefaults", "-nographic", "-no-user-config", "-kernel", self._image.kernel,
            "-initrd", self._image.initramfs, "-append", kernel_command_line(self._only6),
            "-chardev", f"file,id=console,append=on,path={self._console()}",
            "-serial", "chardev:console", "-qmp", f"unix:{control},server=on,wait=off",
            "-qmp", f"unix:{control}-watch,server=on,wait=off",
            "-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no,vhost=off",
            "-device", f"virtio-net-pci,netdev=net,mac={MAC},romfile=,"
                       f"guest_announce={'on' if self._announces else 'off'}", *arguments, log=f"qemu-{site}.log")
        try:
            qmp = Qmp(control, time.monotonic() + 20)
            return Instance(site, process, qmp, self._watch(site, f"{control}-watch"))
        except QmpError as error:
            raise QmpError(f"{error}\n{process.last_lines()}") from None

    # -- moving, in one

    def migrate(self, target, on_resumed=lambda resumed: None, on_stopped=lambda: None, postcopy=False):
        """Moves the running guest to the host of another site over the underlay; returns the Move. `on_stopped` is
        called as soon as the source has stopped it, `on_resumed` with the time as soon as it runs at the target. With
        `postcopy` it runs there before its memory is there."""
        source = self.instance
        new = self.incoming(target, postcopy=postcopy)
        self.begin(target, BANDWIDTH_LOW if postcopy else BANDWIDTH_MAX, postcopy=postcopy)
        if postcopy:
            source.qmp.wait_event("MIGRATION", 20, lambda data: data["status"] == "active")
            source.qmp.command("migrate-start-postcopy")
        stopped, _ = source.qmp.wait_event("STOP", 120)
        on_stopped()
        resumed, _ = new.qmp.wait_event("RESUME", 20)
        on_resumed(resumed)
        source.qmp.wait_event("MIGRATION", 20, lambda data: data["status"] == "completed")
        downtime_ms = source.qmp.command("query-migrate")["downtime"]
        self.commit(new)
        return Move(source.site, target, stopped, resumed, downtime_ms)

    # -- moving, in steps: incoming, begin, then commit, or cancel and discard

    def incoming(self, target, *arguments, postcopy=False):
        """Starts a QEMU at the target that waits for the guest."""
        new = self._start(target, ["-incoming", f"tcp:{sites.underlay(target)}:{MIGRATION_PORT}", *arguments])
        self._set_capabilities(new, postcopy)
        if not self._announces:
            new.qmp.command("migrate-set-parameters", **{"announce-rounds": 0})
        return new

    def begin(self, target, bandwidth=BANDWIDTH_MAX, postcopy=False):
        """Starts the migration; `bandwidth` in bytes per second."""
        qmp = self.instance.qmp
        qmp.forget_events()
        self._set_capabilities(self.instance, postcopy)
        qmp.command("migrate-set-parameters", **{"downtime-limit": DOWNTIME_LIMIT_MS, "max-bandwidth": bandwidth})
        qmp.command("migrate", uri=f"tcp:{sites.underlay(target)}:{MIGRATION_PORT}")

    @staticmethod
    def _set_capabilities(instance, postcopy):
        states = {"events": True, "postcopy-ram": postcopy}
        instance.qmp.command("migrate-set-capabilities",
                             capabilities=[{"capability": name, "state": state} for name, state in states.items()])

    def commit(self, new):
        """The guest runs there now; the source's QEMU ends and its TAP goes, as libvirt does then."""
        old, self.instance = self.instance, new
        self.discard(old)

    def discard(self, instance, kill=False):
        """Ends a QEMU, with -9 if `kill`, and removes its TAP."""
        if kill or not instance.process.running:
            instance.process.kill()
        else:
            try:
                instance.qmp.command("quit")
            except QmpError:  # it has ended by itself meanwhile
                pass
            if not instance.process.wait(10):
                instance.process.kill()
        instance.qmp.close()
        if instance.watcher:
            instance.watcher.stop()
        self._lab.ip(f"host-{instance.site}", "link", "del", TAP)
