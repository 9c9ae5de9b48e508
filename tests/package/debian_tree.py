"""A clean Debian 12 in a directory: made once by mmdebstrap from this host's mirror and kept as a tar file in the build
directory, with the packages that were installed into it before. Commands run in it by chroot(8), in a mount namespace
of their own and perhaps in a network namespace."""

import os
import shutil
import stat
import subprocess

import deb

# Mounts that a command in the tree finds; nothing of them is seen outside. /dev has what programs expect, and no disk;
# the nodes are its own, as systemd changes their modes.
MOUNT = r"""
set -e
tree=$1 archives=$2
shift 2
mount -t proc proc "$tree/proc"
mount -t sysfs sysfs "$tree/sys"
mount -t tmpfs -o mode=0755 tmpfs "$tree/dev"
mkdir "$tree/dev/net" "$tree/dev/shm"
while read -r device major minor; do
  mknod -m 0666 "$tree/dev/$device" c "$major" "$minor"
done <<NODES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
NODES
ln -s /proc/self/fd "$tree/dev/fd"
mount --bind "$archives" "$tree/var/cache/apt/archives"
"""
ENTER = MOUNT + 'exec chroot "$tree" "$@"\n'
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
MIRROR = "http://deb.debian.org/debian"


def apt_settings():
    """What this host told apt about reaching its mirror: proxies, old or undated lists."""
    for line in deb.run("apt-config", "dump").splitlines():
        if line.startswith(("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")):
            yield line.rstrip(";").replace('"', "'").replace(" '", " \"").replace("'", "\"") + ";"


def sources():
    """This host's sources of Debian 12, in apt's language; Debian's own where it has none."""
    found = []
    for directory in ("/etc/apt", "/etc/apt/sources.list.d"):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if name.endswith((".list", ".sources")) and os.path.isfile(path):
                with open(path, encoding="utf-8") as file:
                    if "bookworm" in file.read():
                        found.append(path)
    return found or [MIRROR]


def make_base(cache):
    """The tar file of the clean tree; made when it is missing, which takes a minute."""
    base = os.path.join(cache, "bookworm.tar")
    os.makedirs(os.path.join(cache, "archives", "partial"), exist_ok=True)
    if not os.path.exists(base):
        options = [f"--aptopt={setting}" for setting in apt_settings()]
        # The lists stay, so that later runs install from `archives` without asking the mirror.
        deb.run("mmdebstrap", "--mode=root", "--format=tar", "--variant=minbase", "--skip=cleanup/apt/lists", *options,
                "bookworm", base + ".new", *sources())
        os.rename(base + ".new", base)
    return base


class Tree:
    def __init__(self, cache, directory):
        self.archives = os.path.join(cache, "archives")
        self.root = directory
        os.mkdir(directory)
        deb.run("tar", "-x", "--numeric-owner", "--xattrs", "-f", make_base(cache), "-C", directory)
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(path, self.path(path))
        with open(self.path("/etc/apt/apt.conf.d/90mirror"), "w", encoding="utf-8") as file:
            file.write("".join(setting + "\n" for setting in apt_settings()))
            file.write('APT::Keep-Downloaded-Packages "true";\nBinary::apt::APT::Keep-Downloaded-Packages "true";\n')

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def command(self, *command, namespace=None):
        """The command line, for this host, that runs a command in the tree; exec() all the way, so its pid is the
        program's own."""
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter", self.root, self.archives]
        return (["ip", "netns", "exec", namespace] if namespace else []) + enter + list(command)

    def run(self, *command, namespace=None):
        return deb.run(*self.command(*command, namespace=namespace), env=ENVIRONMENT)

    def status(self, *command, namespace=None):
        return subprocess.run(self.command(*command, namespace=namespace), env=ENVIRONMENT, capture_output=True,
                              text=True, check=False)

    def apt(self, *arguments):
        """apt-get; with fresh lists when those of the tree name what the mirror does not have any more."""
        command = ("apt-get", "-y", "-q", "--no-install-recommends", *arguments)
        try:
            return self.run(*command)
        except RuntimeError:
            self.run("apt-get", "-q", "update")
            return self.run(*command)

    def files(self):
        """path -> (type and mode, owner, group, target or size) of all that is in the tree."""
        found = {}
        for directory, names, files in os.walk(self.root):
            for name in names + files:
                path = os.path.join(directory, name)
                info = os.lstat(path)
                what = os.readlink(path) if stat.S_ISLNK(info.st_mode) else info.st_size if stat.S_ISREG(
                    info.st_mode) else None
                found[path.removeprefix(self.root)] = (stat.filemode(info.st_mode), info.st_uid, info.st_gid, what)
        return found

    def accounts(self):
        """The lines of the files that hold users and groups."""
        found = {}
        for name in ("passwd", "group", "shadow", "gshadow"):
            with open(self.path("/etc/" + name), encoding="utf-8") as file:
                found[name] = sorted(file.read().splitlines())
        return found
