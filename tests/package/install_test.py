#!/usr/bin/env python3
"""The Debian package in a clean Debian 12: it installs, a daemon runs with no more than its unit gives it, an upgrade
leaves the daemon and its files alone, and purging leaves nothing behind. Usage: install_test.py BUILD

    vm 10.99.0.5 ─ veth ─ br0 ─ [rove0] rove up, in the tree, as the user rove
"""

import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import deb
import debian_tree

BUILD = None
UNIT = "/usr/lib/systemd/system/rove@.service"
VM_IP = "10.99.0.5"
# What apt, dpkg, ldconfig and systemd-analyze write down about everything that they do, and never take back.
RECORDS = ("/etc/ld.so.cache", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock",
           "/var/cache/apt", "/var/cache/debconf", "/var/cache/ldconfig", "/var/lib/apt", "/var/lib/dpkg",
           "/var/log/apt", "/var/log/dpkg.log", "/var/log/alternatives.log", "/run/systemd/systemd-units-load",
           "/tmp", "/rove")


def is_record(path):
    return any(path == record or path.startswith(record + "/") for record in RECORDS)


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


class Install(unittest.TestCase):
    """The steps build on each other, in the order of their names."""

    daemon = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="rove-install-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.tree = debian_tree.Tree(os.path.join(BUILD, "debian"), os.path.join(cls.directory, "tree"))
        package = deb.pack(BUILD, os.path.join(cls.directory, "deb"))
        os.mkdir(cls.tree.path("/rove"))
        shutil.copy(package, cls.tree.path("/rove/rove.deb"))
        cls.make_newer(package)
        cls.namespace = f"rove-install-{os.getpid()}"
        for name in (cls.namespace, cls.namespace + "-vm"):
            deb.run("ip", "netns", "add", name)
            cls.addClassCleanup(deb.run, "ip", "netns", "del", name)
            deb.run("ip", "-n", name, "link", "set", "lo", "up")
        deb.run("ip", "-n", cls.namespace, "link", "add", "wan0", "type", "veth", "peer", "name", "wan1")
        deb.run("ip", "-n", cls.namespace, "addr", "add", "192.0.2.1/24", "dev", "wan0")
        for link in ("wan0", "wan1"):
            deb.run("ip", "-n", cls.namespace, "link", "set", link, "up")
        # What the package depends on comes first, so that the comparison at the end is about rove alone.
        cls.tree.apt("satisfy", deb.run("dpkg-deb", "-f", package, "Depends").strip())
        cls.files, cls.accounts = cls.tree.files(), cls.tree.accounts()

    @classmethod
    def tearDownClass(cls):
        if cls.daemon:
            cls.daemon.kill()
            cls.daemon.wait()

    @classmethod
    def make_newer(cls, package):
        """The same package with a higher version."""
        tree = os.path.join(cls.directory, "newer")
        deb.run("dpkg-deb", "-R", package, tree)
        control = os.path.join(tree, "DEBIAN/control")
        with open(control, encoding="utf-8") as file:
            text = file.read().replace("-1\n", "-2\n", 1)
        with open(control, "w", encoding="utf-8") as file:
            file.write(text)
        deb.run("dpkg-deb", "-Znone", "-b", tree, cls.tree.path("/rove/newer.deb"))

    def rove(self, *arguments):
        return self.tree.run("rove", *arguments, namespace=self.namespace)

    def start(self, *prefix, environment=None):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            type(self).daemon = subprocess.Popen(
                self.tree.command(*prefix, "rove", "up", "office", namespace=self.namespace), stderr=log,
                env={**debian_tree.ENVIRONMENT, **(environment or {})})
        try:
            self.rove("wait", "--timeout", "20s")
        except RuntimeError as error:
            self.fail(f"{error}\n{self.log()}")

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(20), 0, self.log())
        type(self).daemon = None

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as file:
            return file.read()

    def assert_healthy(self):
        status = json.loads(self.rove("status", "--json"))
        self.assertEqual((status["usable"], status["problems"], status["bridge"]), (True, [], "br0"))

    def test_1_install(self):
        self.tree.apt("install", "/rove/rove.deb")
        self.assertRegex(self.tree.run("getent", "passwd", "rove"), ":/var/lib/rove:/usr/sbin/nologin$")
        self.assertEqual(self.tree.run("dpkg", "--audit"), "")
        self.assertEqual(self.tree.run("dpkg", "--verify", "rove"), "")
        self.assertNotIn("not found", self.tree.run("ldd", "/usr/bin/rove"))

    def test_2_the_units_are_valid_where_they_lie(self):
        if not os.path.exists(self.tree.path("/usr/bin/systemd-analyze")):
            self.skipTest("systemd is not among the dependencies")
        report = self.tree.status("systemd-analyze", "verify", "--man=no", "rove@office.service",
                                  "rove-watch-qemu@web.service")
        self.assertEqual([line for line in report.stderr.splitlines() if "rove" in line], [])

    def test_3_init_and_up(self):
        self.rove("init", "office", "--subnet", "10.99.0.0/24", "--node", "alpha")
        config = self.tree.path("/etc/rove/office.toml")
        with open(config, encoding="utf-8") as file:
            text = file.read()
        self.assertIn('#bridge = "br0"', text)
        with open(config, "w", encoding="utf-8") as file:
            file.write(text.replace('#bridge = "br0"', 'bridge = "br0"'))
        self.start()
        self.assert_healthy()
        self.stop()

    def test_4_up_with_what_the_unit_gives(self):
        """As systemd would: the unit's user, capabilities, limits and directories, and the copied credential."""
        unit = deb.read_unit(self.tree.path(UNIT))
        credentials = "/run/credentials/rove@office.service"
        self.tree.run("install", "-d", "-m", "0500", "-o", "rove", credentials)
        name, source = unit["LoadCredential"][0].replace("%i", "office").split(":")
        self.tree.run("install", "-m", "0440", "-o", "rove", "-g", "rove", source, f"{credentials}/{name}")
        for key, parent in (("StateDirectory", "/var/lib/"), ("RuntimeDirectory", "/run/")):
            for directory in unit[key][0].replace("%i", "office").split():
                self.tree.run("chown", "rove:rove", parent + directory)
        before = unit["ExecStartPre"][0].replace("%i", "office").lstrip("+-").split()
        self.tree.run(*before)
        capabilities = [name.lower().removeprefix("cap_") for name in unit["AmbientCapabilities"][0].split()]
        self.assertEqual(unit["AmbientCapabilities"], unit["CapabilityBoundingSet"])
        allowed = ",".join(["-all"] + ["+" + name for name in capabilities])
        messages = self.listen_as_manager()

        self.start("setpriv", "--reuid=rove", "--regid=rove", "--clear-groups", "--no-new-privs",
                   f"--inh-caps={allowed}", f"--ambient-caps={allowed}", f"--bounding-set={allowed}",
                   environment={"CREDENTIALS_DIRECTORY": credentials, "NOTIFY_SOCKET": "/run/notify",
                                "WATCHDOG_USEC": "2000000"})

        self.assert_healthy()
        for refused in ("nice-refused", "realtime-refused", "replay-off"):
            self.assertNotIn(refused, self.log())
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        uid = self.tree.run("id", "-u", "rove").strip()
        self.assertEqual(status["Uid"].split(), [uid] * 4)
        self.assertEqual(status["CapEff"], status["CapBnd"])
        seen = set()
        wait_for(lambda: seen.update(messages()) or "WATCHDOG=1" in seen, 3)
        self.assertIn("READY=1", seen)
        self.assertEqual("WATCHDOG=1" in seen, "WatchdogSec" in unit,
                         "WatchdogSec= of rove@.service, and what the daemon does for it")
        self.check_that_a_vm_is_found()

    def listen_as_manager(self):
        """A NOTIFY_SOCKET in the tree; returns a function that gives the lines that came since."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addClassCleanup(listener.close)
        path = self.tree.path("/run/notify")
        listener.bind(path)
        os.chmod(path, 0o666)

        def messages():
            lines = []
            while True:
                try:
                    lines += listener.recv(4096).decode().splitlines()
                except BlockingIOError:
                    return lines

        return messages

    def check_that_a_vm_is_found(self):
        vm = self.namespace + "-vm"
        deb.run("ip", "-n", self.namespace, "link", "add", "vm0", "type", "veth", "peer", "name", "eth0", "netns", vm)
        deb.run("ip", "-n", self.namespace, "link", "set", "vm0", "master", "br0", "up")
        deb.run("ip", "-n", vm, "addr", "add", VM_IP + "/24", "dev", "eth0")
        deb.run("ip", "-n", vm, "link", "set", "eth0", "up")

        def found():
            subprocess.run(["ip", "netns", "exec", vm, "ping", "-c", "1", "-W", "1", "10.99.0.77"],
                           capture_output=True, check=False)  # nobody answers; it asks who has the address
            return self.tree.status("rove", "lookup", VM_IP, namespace=self.namespace).returncode == 0

        self.assertTrue(wait_for(found, 20), self.log())

    def test_5_upgrades_leave_the_daemon_and_its_files_alone(self):
        files = {path: what for path, what in self.tree.files().items()
                 if path.startswith(("/etc/rove", "/var/lib/rove"))}
        self.assertIn("/etc/rove/office.node.pem", files)
        self.tree.apt("install", "--reinstall", "/rove/rove.deb")
        self.tree.apt("install", "/rove/newer.deb")
        self.assertEqual(self.tree.run("dpkg-query", "-W", "-f", "${Version}", "rove")[-2:], "-2")
        after = self.tree.files()
        self.assertEqual({path: after.get(path, (None,))[:3] for path in files},
                         {path: what[:3] for path, what in files.items()})
        self.assertIsNone(self.daemon.poll(), self.log())
        self.assert_healthy()
        self.stop()

    def test_6_a_link_of_systemctl_enable_and_drop_ins_do_not_survive_purge(self):
        wants = "/etc/systemd/system/multi-user.target.wants"
        self.tree.run("mkdir", "-p", wants, "/etc/systemd/system/rove@office.service.d")
        self.tree.run("ln", "-s", UNIT, f"{wants}/rove@office.service")
        self.tree.run("touch", "/etc/systemd/system/rove@office.service.d/local.conf")
        if "/etc/systemd/system/multi-user.target.wants" not in self.files:
            self.files[wants] = self.tree.files()[wants]

    def test_7_removing_keeps_what_the_operator_has(self):
        self.tree.apt("remove", "rove")
        for path in ("/etc/rove/office.toml", "/etc/rove/office.ca.pem", "/etc/libvirt/hooks/qemu.d/rove",
                     "/var/lib/rove/office/state"):
            self.assertTrue(os.path.exists(self.tree.path(path)), path)
        # libvirt calls the hook that stays; it has nothing to say and nothing to fail at.
        self.tree.run("sh", "/etc/libvirt/hooks/qemu.d/rove", "web", "started", "begin", "-")

    def test_8_purging_leaves_nothing_behind(self):
        shutil.rmtree(self.tree.path("/run/credentials"))  # systemd's, and its socket
        os.unlink(self.tree.path("/run/notify"))
        self.tree.apt("purge", "rove")
        self.assertEqual(self.tree.accounts(), self.accounts)
        files = self.tree.files()
        left = {path for path in set(files) - set(self.files) if not is_record(path)}
        lost = {path for path in set(self.files) - set(files) if not is_record(path)}
        changed = {path for path in set(files) & set(self.files)
                   if files[path] != self.files[path] and not is_record(path)}
        self.assertEqual((left, lost, changed), (set(), set(), set()))
        self.assertEqual(glob.glob(self.tree.path("/var/lib/dpkg/info/rove.*")), [])


def why_not():
    """Why it is not permitted here, or None."""
    if os.geteuid() != 0:
        return "not root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    if subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False).returncode != 0:
        return "no namespaces"
    return None


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BUILD = os.path.abspath(sys.argv.pop(1))
    if reason := why_not():
        print(f"skipped: {reason}")
        sys.exit(deb.SKIP)
    deb.need("mmdebstrap", "cpack", "dpkg-shlibdeps", "ip", "ping")
    unittest.main(verbosity=2, failfast=True)
