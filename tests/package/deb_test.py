#!/usr/bin/env python3
"""The Debian package: what is in it, that the same build gives the same octets, what lintian and systemd-analyze say.
Usage: deb_test.py BUILD"""

import filecmp
import os
import re
import subprocess
import sys
import tempfile
import unittest

import deb

BUILD = None
EXPOSURE_MAX = 2.5
FILES = {  # path -> mode
    "/etc/libvirt/hooks/qemu.d/rove": "-rwxr-xr-x",
    "/etc/rove/": "drwxr-xr-x",
    "/usr/lib/systemd/system/rove@.service": "-rw-r--r--",
    "/usr/lib/systemd/system/rove-watch-qemu@.service": "-rw-r--r--",
    "/usr/bin/rove": "-rwxr-xr-x",
    "/usr/lib/sysusers.d/rove.conf": "-rw-r--r--",
    "/usr/share/doc/rove/changelog.Debian.gz": "-rw-r--r--",
    "/usr/share/doc/rove/changelog.gz": "-rw-r--r--",
    "/usr/share/doc/rove/copyright": "-rw-r--r--",
    "/usr/share/doc/rove/examples/example.toml": "-rw-r--r--",
    "/usr/share/doc/rove/operations.md": "-rw-r--r--",
    "/usr/share/doc/rove/README.md": "-rw-r--r--",
    "/usr/share/lintian/overrides/rove": "-rw-r--r--",
    "/usr/share/man/man1/rove.1.gz": "-rw-r--r--",
    "/usr/share/man/man5/rove.toml.5.gz": "-rw-r--r--",
}
COMPLETIONS = {
    "bash": "/usr/share/bash-completion/completions/rove",
    "zsh": "/usr/share/zsh/vendor-completions/_rove",
    "fish": "/usr/share/fish/vendor_completions.d/rove.fish",
}


class Deb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rove-deb-")
        cls.addClassCleanup(directory.cleanup)
        cls.path = lambda _, *parts: os.path.join(directory.name, *parts)
        cls.package = deb.pack(BUILD, os.path.join(directory.name, "first"))
        cls.other = deb.pack(BUILD, os.path.join(directory.name, "elsewhere", "second"))
        deb.run("dpkg-deb", "-R", cls.package, os.path.join(directory.name, "tree"))

    def field(self, name):
        return deb.run("dpkg-deb", "-f", self.package, name).strip()

    def test_packed_twice_it_is_the_same(self):
        self.assertEqual(os.path.basename(self.package), os.path.basename(self.other))
        self.assertTrue(filecmp.cmp(self.package, self.other, shallow=False))

    def test_files(self):
        listed = {}
        for line in deb.run("dpkg-deb", "-c", self.package).splitlines():
            mode, owner, _, _, _, path = line.split(maxsplit=5)
            self.assertEqual(owner, "root/root", path)
            listed[path.removeprefix(".")] = mode
        for path, mode in FILES.items():
            self.assertEqual(listed.get(path), mode, path)
        files = {path for path in listed if not path.endswith("/")}
        self.assertEqual(files - set(FILES) - set(COMPLETIONS.values()), set())

    def test_completions_of_a_binary_that_has_them(self):
        for shell, path in COMPLETIONS.items():
            made = subprocess.run([self.path("tree/usr/bin/rove"), "completion", shell], capture_output=True,
                                  text=True, check=False)
            file = self.path("tree" + path)
            if made.returncode == 0:
                with open(file, encoding="utf-8") as installed:
                    self.assertEqual(installed.read(), made.stdout)
            else:
                self.assertFalse(os.path.exists(file))

    def test_fields(self):
        version = deb.run(self.path("tree/usr/bin/rove"), "version").split()[1]
        self.assertEqual(self.field("Version"), version + "-1")
        self.assertEqual(self.field("Package"), "rove")
        for library in ("libc6", "libopendht2", "libgnutls30", "libsodium23", "libfmt9", "libsystemd0"):
            self.assertRegex(self.field("Depends"), rf"(^|, ){library}( \(|,|$)")

    def test_the_binary_has_no_symbols_and_no_directory_of_this_machine(self):
        binary = self.path("tree/usr/bin/rove")
        self.assertNotIn("debug_info", deb.run("readelf", "-SW", binary))
        with open(binary, "rb") as file:
            self.assertNotIn(deb.ROOT.encode(), file.read())

    def test_the_binary_is_hardened(self):
        binary = self.path("tree/usr/bin/rove")
        self.assertRegex(deb.run("readelf", "-dW", binary), r"\(FLAGS_1\) .* NOW .*PIE")
        segments = deb.run("readelf", "-lW", binary)
        self.assertRegex(segments, r"(?m)^ +GNU_RELRO ")
        self.assertRegex(segments, r"(?m)^ +GNU_STACK .* RW +0x")  # no code runs there
        imported = deb.run("readelf", "-W", "--dyn-syms", binary)
        self.assertIn(" __stack_chk_fail@", imported)
        self.assertRegex(imported, r" __(?!stack)\w+_chk@")  # _FORTIFY_SOURCE

    def test_lintian_finds_no_error_no_warning_and_nothing_to_harden(self):
        report = subprocess.run(["lintian", "--allow-root", "--display-info", "--tag-display-limit", "0",
                                 self.package], capture_output=True, text=True, check=False)
        found = [line for line in report.stdout.splitlines() if line[:2] in ("E:", "W:") or " hardening-" in line]
        self.assertEqual(found, [])
        self.assertIn(report.returncode, (0, 1), report.stderr)

    def unit(self, name):
        """A unit as an instance that systemd-analyze can load: its program is the one that was packed."""
        source = self.path("tree/usr/lib/systemd/system", name)
        with open(source, encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r"(?m)^ExecStart=/usr/bin/rove ")
        path = self.path("units", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("=/usr/bin/rove ", f"={self.path('tree/usr/bin/rove')} "))
        return path

    def test_units_are_valid(self):
        for name in ("rove@.service", "rove-watch-qemu@.service"):
            with self.subTest(unit=name):
                run = subprocess.run(["systemd-analyze", "verify", "--man=no", self.unit(name)], capture_output=True,
                                     text=True, check=False)
                ours = [line for line in (run.stdout + run.stderr).splitlines() if "rove" in line]
                self.assertEqual((run.returncode, ours), (0, []))

    def test_units_are_hardened(self):
        for name in ("rove@.service", "rove-watch-qemu@.service"):
            with self.subTest(unit=name):
                report = deb.run("systemd-analyze", "security", "--offline=true", "--no-pager", self.unit(name))
                exposure = float(re.search(r"Overall exposure level for .*: ([\d.]+) ", report)[1])
                print(name, exposure)
                self.assertLessEqual(exposure, EXPOSURE_MAX, report)

    def test_sysusers(self):
        root = self.path("users")
        os.makedirs(os.path.join(root, "etc"), exist_ok=True)
        deb.run("systemd-sysusers", "--root", root, self.path("tree/usr/lib/sysusers.d/rove.conf"))
        with open(os.path.join(root, "etc/passwd"), encoding="ascii") as file:
            self.assertRegex(file.read(), r"(?m)^rove:\S*:rove virtual network:/var/lib/rove:/usr/sbin/nologin$")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BUILD = os.path.abspath(sys.argv.pop(1))
    deb.need("cpack", "dpkg-shlibdeps", "dpkg-deb", "lintian", "systemd-analyze", "systemd-sysusers", "readelf")
    unittest.main(verbosity=2)
