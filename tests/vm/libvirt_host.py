#!/usr/bin/env python3
"""Makes the network namespace that it runs in a libvirt host, and is what systemd is on one: it runs libvirtd, starts
it again on SIGHUP, and takes whatever libvirtd leaves behind (QEMU) down with itself. Everything that libvirt and rove
keep is in directories of this host's own; so are its name, its /etc/hosts and its users.

    unshare --mount --uts --propagation private libvirt_host.py NAME DIRECTORY ROVE KEEP
      NAME        its host name
      DIRECTORY   has etc, lib, log, cache (for /etc/libvirt, /var/lib/libvirt, …), tmpfiles (/etc/tmpfiles.d), run,
                  the files hosts, passwd and group of /etc, and bin, which is the first in PATH
      ROVE        has etc, state, run (for /etc/rove, …)
      KEEP        a directory in /run that stays in sight
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PATIENCE_S = 3.0


def bind(source, target):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    subprocess.run(["mount", "--rbind", source, target], check=True)


def mount_own(directory, rove, keep):
    kept = os.path.join(directory, "run", os.path.relpath(keep, "/run"))
    bind(keep, kept)
    for name, target in (("hosts", "/etc/hosts"), ("passwd", "/etc/passwd"), ("group", "/etc/group"),
                         ("etc", "/etc/libvirt"), ("lib", "/var/lib/libvirt"), ("log", "/var/log/libvirt"),
                         ("cache", "/var/cache/libvirt"), ("tmpfiles", "/etc/tmpfiles.d"), ("run", "/run")):
        bind(os.path.join(directory, name), target)
    # Now by the paths in sight: /run is another one.
    for name, target in (("etc", "/etc/rove"), ("state", "/var/lib/rove"), ("run", "/run/rove")):
        bind(os.path.join(rove, name), target)


def hide_kvm(directory):
    """Where /dev/kvm is there and does not work, libvirt asks every QEMU anew what it can, at each use: 8 s for the
    first. What is not writable it leaves alone."""
    if os.path.exists("/dev/kvm"):
        empty = os.path.join(directory, "no-kvm")
        with open(empty, "w", encoding="ascii"):
            pass
        bind(empty, "/dev/kvm")
        subprocess.run(["mount", "-o", "remount,bind,ro", "/dev/kvm"], check=True)


def children():
    """Pids of what has us as its parent: libvirtd, and what has lost its own."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def reap():
    """Takes in the status of all that has ended; its pids."""
    ended = set()
    while children():
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            break
        ended.add(pid)
    return ended


def end(pids):
    """Ends children: with -9 what needs longer."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE_S
        for pid in set(pids) & set(children()):
            os.kill(pid, number)
        while set(pids) & set(children()) and time.monotonic() < deadline:
            reap()
            time.sleep(0.02)


class Libvirtd:
    def __init__(self):
        self.pid = None

    def start(self):
        self.pid = os.posix_spawnp("libvirtd", ["libvirtd"], os.environ, setsigmask=[])

    def restart(self):
        end([self.pid])
        self.start()


def main():
    name, directory, rove, keep = sys.argv[1:5]
    signals = {signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # they are taken one by one
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    socket.sethostname(name)
    mount_own(directory, rove, keep)
    hide_kvm(directory)
    os.environ["PATH"] = os.path.join(directory, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin"
    libvirtd = Libvirtd()
    libvirtd.start()
    while True:
        number = signal.sigwait(signals)
        if number == signal.SIGHUP:
            libvirtd.restart()
        elif number == signal.SIGTERM:
            break
        elif libvirtd.pid in reap():
            sys.exit("libvirtd has ended")
    end([libvirtd.pid])
    end(children())


if __name__ == "__main__":
    main()
