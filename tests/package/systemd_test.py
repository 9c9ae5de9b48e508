#!/usr/bin/env python3
"""The units under a real systemd: the package in a clean Debian 12 whose systemd runs in namespaces of its own. All
restrictions are in force at once, credentials are handed over, and a daemon that dies comes back. Usage:
systemd_test.py BUILD"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import deb
import debian_tree

BUILD = None
# Nothing but what units need that have no other; no login, no disks.
TARGET = "[Unit]\nDescription=Nothing more than basic\nRequires=basic.target\nAfter=basic.target\n"
BOOT = debian_tree.MOUNT + r"""
# Of these PrivateDevices= makes copies.
mkdir "$tree/dev/pts" "$tree/dev/mqueue" "$tree/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
ln -s pts/ptmx "$tree/dev/ptmx"
mount --rbind "$tree" "$tree"
mount -t tmpfs tmpfs "$tree/run"
mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
mount --make-rshared /
hostname alpha
ip link set lo up
ip link add wan0 type veth peer name wan1
ip addr add 192.0.2.1/24 dev wan0
ip link set wan0 up
ip link set wan1 up
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$tree" /lib/systemd/systemd --system --show-status=no
"""


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def make_cgroup():
    """A cgroup of its own in the unified hierarchy, which systemd sees as the root; None when that is not permitted."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        roots = [line.split()[4] for line in file if " - cgroup2 " in line]
    path = os.path.join(roots[0], f"rove-systemd-{os.getpid()}") if roots else None
    try:
        os.mkdir(path)
        return path
    except (OSError, TypeError):
        return None


def remove_cgroup(path):
    for directory, _, _ in os.walk(path, topdown=False):
        wait_for(lambda directory=directory: not os.path.exists(directory) or remove_directory(directory), 5)


def remove_directory(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)
        return True
    return False


class Systemd(unittest.TestCase):
    """The steps build on each other, in the order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="rove-systemd-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.tree = debian_tree.Tree(os.path.join(BUILD, "debian"), os.path.join(cls.directory, "tree"))
        package = deb.pack(BUILD, os.path.join(cls.directory, "deb"))
        shutil.copy(package, cls.tree.path("/root/rove.deb"))
        cls.tree.apt("install", "/root/rove.deb")
        cls.tree.apt("install", "systemd")
        with open(cls.tree.path("/etc/systemd/system/default.target"), "w", encoding="utf-8") as file:
            file.write(TARGET)
        cls.tree.run("rove", "init", "office", "--subnet", "10.99.0.0/24", "--node", "alpha")
        cls.tree.run("sed", "-i", "s/^#bridge = /bridge = /", "/etc/rove/office.toml")
        cls.boot()

    @classmethod
    def boot(cls):
        cgroup = CGROUP

        def enter_cgroup():
            with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

        with open(os.path.join(cls.directory, "console"), "wb") as console:
            cls.outer = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--uts", "--ipc",
                 "--net", "--cgroup", "sh", "-c", BOOT, "boot", cls.tree.root, cls.tree.archives],
                preexec_fn=enter_cgroup, stdout=console, stderr=console)
        cls.addClassCleanup(cls.shut_down)
        children = f"/proc/{cls.outer.pid}/task/{cls.outer.pid}/children"

        def is_up():
            with open(children, encoding="ascii") as file:
                found = file.read().split()
            if not found:
                return False
            cls.init = found[0]
            return cls.systemctl("is-system-running").stdout.strip() in ("running", "degraded")

        if not wait_for(is_up, 60):
            with open(os.path.join(cls.directory, "console"), encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"systemd does not come up:\n{file.read()}")

    @classmethod
    def shut_down(cls):
        cls.outer.kill()  # and by --kill-child all that is in its pid namespace
        cls.outer.wait()
        remove_cgroup(CGROUP)

    @classmethod
    def inside(cls, *command):
        return subprocess.run(["nsenter", "-t", cls.init, "-a", "chroot", cls.tree.root, *command], text=True,
                              capture_output=True, check=False, env=debian_tree.ENVIRONMENT, timeout=120)

    @classmethod
    def systemctl(cls, *arguments):
        return cls.inside("systemctl", *arguments)

    def show(self, unit, key):
        return self.systemctl("show", "--value", "-p", key, unit).stdout.strip()

    def log(self, unit):
        return self.inside("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def test_1_start_with_everything_in_force(self):
        started = self.systemctl("enable", "--now", "rove@office")
        self.assertEqual(started.returncode, 0, started.stderr + self.log("rove@office"))
        log = self.log("rove@office")
        self.assertIn("usable nodes=0", log)
        self.assertEqual(self.inside("journalctl", "--no-pager", "-q", "-o", "cat", "-p", "warning", "-u",
                                     "rove@office").stdout, "")
        self.assertIn("usable", self.inside("journalctl", "--no-pager", "-o", "cat", "ROVE_EVENT=usable").stdout)
        status = self.inside("cat", f"/proc/{self.show('rove@office', 'MainPID')}/status").stdout
        self.assertIn(f"Uid:\t{self.inside('id', '-u', 'rove').stdout.strip()}\t", status)
        self.assertRegex(status, r"NoNewPrivs:\t1\n")
        self.assertRegex(status, r"Seccomp:\t2\n")
        self.assertEqual(self.inside("cat", "/proc/sys/net/ipv6/conf/rove0/disable_ipv6").stdout, "1\n")
        self.assertEqual(self.inside("stat", "-c", "%U:%G %a", "/run/rove/office.sock").stdout, "rove:rove 660\n")
        self.assertEqual(self.inside("stat", "-c", "%U %a", "/etc/rove/office.node.pem").stdout, "root 600\n")
        self.assertIn('"problems":[]', self.inside("rove", "status", "--json").stdout)

    def test_2_reload(self):
        self.inside("sed", "-i", "s/^#log_level = .*/log_level = \"debug\"/", "/etc/rove/office.toml")
        reloaded = self.systemctl("reload", "rove@office")
        self.assertEqual(reloaded.returncode, 0, self.log("rove@office"))
        # Nothing but that has changed: the service manager's copy of the credential is no other credential.
        self.assertTrue(wait_for(lambda: "reloaded key=log_level" in self.log("rove@office"), 5))
        self.assertNotIn("reloaded key=credential", self.log("rove@office"))

    def test_2b_a_watchdog_that_is_fed(self):
        self.assertEqual(self.show("rove@office", "WatchdogUSec"), "30s")
        fed = lambda: self.show("rove@office", "WatchdogTimestampMonotonic")
        before = fed()
        self.assertTrue(wait_for(lambda: fed() != before, 20), "WATCHDOG=1 comes")

    def test_3_a_daemon_that_dies_comes_back(self):
        self.systemctl("kill", "--signal=KILL", "rove@office")
        self.assertTrue(wait_for(lambda: self.show("rove@office", "NRestarts") == "1", 15))
        self.assertTrue(wait_for(lambda: self.show("rove@office", "ActiveState") == "active", 15))

    def test_4_stop_and_what_root_left_in_the_foreground(self):
        self.assertEqual(self.systemctl("stop", "rove@office").returncode, 0)
        self.assertEqual(self.show("rove@office", "Result"), "success")
        self.inside("chown", "root:root", "/run/rove/office.sock.lock", "/var/lib/rove/office/state")
        started = self.systemctl("start", "rove@office")
        self.assertEqual(started.returncode, 0, started.stderr + self.log("rove@office"))

    def test_5_a_wrong_configuration_is_not_tried_again(self):
        self.inside("cp", "/etc/rove/office.toml", "/etc/rove/wrong.toml")
        self.inside("cp", "-p", "/etc/rove/office.node.pem", "/etc/rove/wrong.node.pem")
        self.inside("sed", "-i", "s/^bridge/brige/", "/etc/rove/wrong.toml")
        self.assertNotEqual(self.systemctl("start", "rove@wrong").returncode, 0)
        self.assertIn('did you mean "bridge"?', self.log("rove@wrong"))
        self.assertEqual(self.show("rove@wrong", "ActiveState"), "failed")
        self.assertEqual(self.show("rove@wrong", "NRestarts"), "0")

    def test_6_watch_qemu_waits_for_its_qemu(self):
        self.inside("rm", "/etc/rove/wrong.toml")
        self.assertEqual(self.systemctl("start", "rove-watch-qemu@web").returncode, 0)
        self.assertTrue(wait_for(lambda: "waiting-for-qemu" in self.log("rove-watch-qemu@web"), 10),
                        self.log("rove-watch-qemu@web"))

    def test_7_purging_stops_all_and_removes_all(self):
        purged = self.inside("apt-get", "-y", "-q", "purge", "rove")
        self.assertEqual(purged.returncode, 0, purged.stderr)
        for unit in ("rove@office", "rove-watch-qemu@web"):
            self.assertIn(self.show(unit, "ActiveState"), ("inactive", "failed"), unit)
        left = self.inside("find", "/etc", "/run", "/var/lib", "-name", "*rove*", "-not", "-path", "/run/log/*").stdout
        self.assertEqual(left, "")
        self.assertEqual(self.inside("getent", "passwd", "rove").stdout, "")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BUILD = os.path.abspath(sys.argv.pop(1))
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("skipped: needs root, and /dev/net/tun")
        sys.exit(deb.SKIP)
    CGROUP = make_cgroup()
    if CGROUP is None:
        print("skipped: no cgroup of the unified hierarchy may be made here")
        sys.exit(deb.SKIP)
    deb.need("mmdebstrap", "cpack", "dpkg-shlibdeps", "ip", "unshare", "nsenter")
    unittest.main(verbosity=2, failfast=True)
