"""The guest's kernel and initramfs: Debian's cloud kernel, unpacked but not installed, and a static busybox."""

import glob
import gzip
import os
import re
import shutil
import subprocess

CACHE = "/var/cache/rove-demo"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
ECHO_PORT = 7

# The guest's first and only program. Addresses come on the kernel's command line.
INIT = f"""#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "$module"; done </modules.list
for word in $(cat /proc/cmdline); do
  case $word in
    rove.ip4=*) ip4=${{word#*=}} ;;
    rove.ip6=*) ip6=${{word#*=}} ;;
    rove.mtu=*) mtu=${{word#*=}} ;;
  esac
done
ip link set lo up
ip link set eth0 mtu "$mtu"
ip link set eth0 up
[ -z "$ip4" ] || ip addr add "$ip4" dev eth0
ip -6 addr add "$ip6" dev eth0
echo "rove guest ready" >/dev/ttyS0
while true; do nc -ll -p {ECHO_PORT} -e cat; done
"""


class GuestImage:
    """Makes the image once and keeps it in the cache; `kernel` and `initramfs` are paths."""

    def __init__(self, say):
        os.makedirs(CACHE, exist_ok=True)
        self._unpacked = self._unpack(say)
        self.kernel = glob.glob(f"{self._unpacked}/boot/vmlinuz-*")[0]
        self.initramfs = os.path.join(self._unpacked, "initramfs.gz")
        self._build_initramfs()

    def _unpack(self, say):
        present = [path for path in glob.glob(f"{CACHE}/linux-image-*-cloud-amd64")
                   if glob.glob(f"{path}/boot/vmlinuz-*")]
        if present:
            return sorted(present)[-1]
        say("fetching the guest's kernel")
        package = self._kernel_package()
        subprocess.run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package], cwd=CACHE, check=True,
                       stdout=subprocess.DEVNULL)
        archive = glob.glob(f"{CACHE}/{package}_*.deb")[0]
        target = os.path.join(CACHE, package)
        subprocess.run(["dpkg-deb", "-x", archive, f"{target}.part"], check=True)
        os.unlink(archive)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(f"{target}.part", target)
        return target

    @staticmethod
    def _kernel_package():
        """The package that the meta-package stands for; needs apt's lists."""
        for attempt in range(2):
            depends = subprocess.run(["apt-cache", "depends", KERNEL_PACKAGE], capture_output=True, text=True,
                                     check=False).stdout
            match = re.search(r"Depends: (linux-image-\S+-cloud-amd64)\b", depends)
            if match:
                return match.group(1)
            if attempt == 0:
                subprocess.run(["apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
        raise RuntimeError(f"apt knows no {KERNEL_PACKAGE}")

    def _build_initramfs(self):
        modules = self._modules("virtio_pci", "virtio_net")
        with open("/bin/busybox", "rb") as file:
            busybox = file.read()
        entries = [(name, 0o040755, b"") for name in ("bin", "dev", "proc", "sys", "lib")]
        entries.append(("bin/busybox", 0o100755, busybox))
        for applet in ("sh", "mount", "insmod", "ip", "cat", "nc", "echo", "ping"):
            entries.append((f"bin/{applet}", 0o120777, b"busybox"))
        listed = []
        for path in modules:
            with open(path, "rb") as file:
                entries.append((f"lib/{os.path.basename(path)}", 0o100644, file.read()))
            listed.append(f"/lib/{os.path.basename(path)}\n")
        entries.append(("modules.list", 0o100644, "".join(listed).encode()))
        entries.append(("init", 0o100755, INIT.encode()))
        temporary = f"{self.initramfs}.{os.getpid()}"
        with gzip.open(temporary, "wb", compresslevel=1) as file:
            file.write(newc_archive(entries))
        os.rename(temporary, self.initramfs)

    def _modules(self, *names):
        """Paths of the modules and all that they need, each after its needs. modules.dep is made by depmod when a
        kernel is installed, which this one is not, so the needs are read from the modules themselves."""
        paths = {}
        for path in glob.glob(f"{self._unpacked}/lib/modules/*/kernel/**/*.ko", recursive=True):
            paths[os.path.basename(path)[: -len(".ko")].replace("-", "_")] = path
        ordered = []

        def visit(name):
            path = paths.get(name)
            if path is None or path in ordered:  # absent: built into the kernel
                return
            with open(path, "rb") as file:
                depends = re.search(rb"\0depends=([^\0]*)\0", file.read())
            for need in (depends.group(1).decode().split(",") if depends else []):
                visit(need.replace("-", "_"))
            ordered.append(path)

        for name in names:
            visit(name)
        return ordered


def newc_archive(entries):
    """A cpio archive ("newc", Documentation/driver-api/early-userspace/buffer-format.rst) of (name, mode, bytes)."""
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        archive += b"\0" * (-len(archive) % 4) + data
        archive += b"\0" * (-len(archive) % 4)
    return bytes(archive)
