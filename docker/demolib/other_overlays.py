"""Networks between the sites' bridges to compare rove with; each has what Experiment needs of an overlay."""

import os
import shutil

import sites


class Other:
    """No rove: nobody to ask where a machine is."""

    has_lookup = False
    wan_commands = ()
    programs = ()  # that must be installed; they are in the group [compare] of docker/packages.txt

    def __init__(self, lab):
        self._lab = lab
        for program in self.programs:
            if shutil.which(program) is None:
                raise RuntimeError(f"{program} is missing; type: sudo docker/install-packages compare")

    def kill_bootstrap(self, say):
        """There is none."""

    def watch_qemu(self, host, socket):
        """There is nobody to tell."""

    def _enslave(self, site, interface, process):
        """Puts a daemon's TAP device into the site's bridge as soon as it is there."""
        host = f"host-{site}"
        sites.wait_for(lambda: self._lab.run(host, "ip", "link", "show", interface, check=False).returncode == 0, 10,
                       process)
        self._lab.ip(host, "link", "set", interface, "master", sites.BRIDGE, "mtu", sites.INNER_MTU, "up")


class SwitchOverlay(Other):
    """One Ethernet switch in the middle of the paths: a bridge at host-d, which is half the delay away from every
    site. Between two sites it is as far as with the others. Shows what hypervisor and guest cost by themselves, and
    what an ideal network without buffers would do."""

    wan_commands = tuple(f"set {way} delay {sites.DELAY_MS / 2:g}ms" for site in sites.SITES
                         for way in (f"{site} {sites.BOOTSTRAP}", f"{sites.BOOTSTRAP} {site}"))

    def start(self):
        middle = f"host-{sites.BOOTSTRAP}"
        self._lab.ip(middle, "link", "add", sites.BRIDGE, "type", "bridge", "stp_state", "0")
        self._lab.ip(middle, "link", "set", sites.BRIDGE, "up")
        for number, site in enumerate(sites.SITES, 1):
            self._plug(f"host-{site}", "cable", number, site, sites.BOOTSTRAP)
            self._plug(middle, f"cable-{site}", number, sites.BOOTSTRAP, site)

    def _plug(self, host, name, number, here, there):
        """A cable between two bridges: every frame of one comes out at the other."""
        self._lab.ip(host, "link", "add", name, "type", "vxlan", "id", number, "dstport", "4789", "nolearning",
                     "local", sites.underlay(here), "remote", sites.underlay(there))
        self._lab.ip(host, "link", "set", name, "master", sites.BRIDGE, "up")


class VxlanOverlay(Other):
    """Kernel VXLAN with learning between the bridges: no encryption, no lookups, nothing that could move a machine
    faster than its announce."""

    def start(self):
        for site in sites.SITES:
            host = f"host-{site}"
            self._lab.ip(host, "link", "add", "vxlan0", "type", "vxlan", "id", "7", "dstport", "4789", "local",
                         sites.underlay(site))
            for other in sites.SITES:
                if other != site:
                    self._lab.run(host, "bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vxlan0", "dst",
                                  sites.underlay(other))
            self._lab.ip(host, "link", "set", "vxlan0", "master", sites.BRIDGE, "up")


class TincOverlay(Other):
    """tinc 1.0 as a switch between the sites, each connected to each. It goes by its node's names when two claim a
    MAC, so that a move in one direction is not the same as in the other."""

    programs = ("tincd",)
    _INTERFACE = "tinc0"

    def start(self):
        for site in sites.SITES:
            self._configure(site)
        for site in sites.SITES:
            for other in sites.SITES:
                if other != site:
                    shutil.copy(self._directory(site, "hosts", site), self._directory(other, "hosts", site))
        for site in sites.SITES:
            process = self._lab.spawn(f"host-{site}", "tincd", "-c", self._directory(site), "-D",
                                      f"--pidfile={self._directory(site, 'pid')}", log=f"tinc-{site}.log")
            self._enslave(site, self._INTERFACE, process)

    def _configure(self, site):
        os.makedirs(self._directory(site, "hosts"))
        lines = [f"Name = {site}", "Mode = switch", f"Interface = {self._INTERFACE}", "AddressFamily = ipv4",
                 *(f"ConnectTo = {other}" for other in sites.SITES if other != site)]
        with open(self._directory(site, "tinc.conf"), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        with open(self._directory(site, "hosts", site), "w", encoding="ascii") as file:
            file.write(f"Address = {sites.underlay(site)}\n")
        # Without a terminal it asks nothing and appends the public key to the file of its own name.
        self._lab.run(f"host-{site}", "tincd", "-c", self._directory(site), "-K2048")

    def _directory(self, site, *parts):
        return self._lab.path(f"tinc-{site}", *parts)


class N2nOverlay(Other):
    """n2n 1.3 (Debian's), a supernode at host-d and an edge at each site."""

    programs = ("edge", "supernode")
    _INTERFACE, _PORT = "n2n0", 7654

    def start(self):
        supernode = f"{sites.underlay(sites.BOOTSTRAP)}:{self._PORT}"
        self._lab.spawn(f"host-{sites.BOOTSTRAP}", "supernode", "-l", self._PORT, log="supernode.log")
        for number, site in enumerate(sites.SITES, 1):
            # -r: it would drop what is not for its own address, which nobody uses here.
            edge = self._lab.spawn(f"host-{site}", "edge", "-d", self._INTERFACE, "-a", f"192.0.2.{number}", "-c",
                                   "compare", "-k", "compare", "-l", supernode, "-u", "0", "-g", "0", "-r",
                                   log=f"edge-{site}.log")
            self._enslave(site, self._INTERFACE, edge)


OTHERS = {"switch": SwitchOverlay, "vxlan": VxlanOverlay, "tinc": TincOverlay, "n2n": N2nOverlay}
