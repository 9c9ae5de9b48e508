"""libvirt on hosts of the lab: a libvirtd in each host's namespaces (libvirt_host.py), and a guest that it runs."""

import os
import time
import uuid

import sites
from guest import MEMORY, Move, kernel_command_line
from qmp import Qmp

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.normpath(os.path.join(HERE, "..", ".."))
HOST = os.path.join(HERE, "libvirt_host.py")
VM = "web"
QEMU_USER_ID = 64055  # as Debian numbers it
DOMAIN_UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
READY_S = 20

LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
# No AppArmor, no control groups and no virtlogd: what a container or a test machine may lack. No /dev for each QEMU:
# libvirt cannot make one where /dev/kvm is hidden.
QEMU_CONF = """\
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
remember_owner = 0
dynamic_ownership = 0
"""

# What an operator has beside it: `systemctl` is libvirt_host.py's, and ssh(1) goes straight to the other host.
SYSTEMCTL = """\
#!/bin/sh
[ "$*" = "restart libvirtd" ] || {{
  echo "systemctl $*: not played here" >&2
  exit 1
}}
rm -f {socket}
kill -HUP {pid}
until [ -S {socket} ]; do sleep 0.05; done
"""
SSH = """\
#!/bin/sh
# ssh [-T] [-e none] [--] HOST COMMAND
while :; do
  case $1 in
  -e) shift 2 ;;
  -*) shift ;;
  *) break ;;
  esac
done
case $1 in
{cases}
*) echo "ssh: no host $1" >&2; exit 255 ;;
esac
shift
exec nsenter --net --mount --uts --target "$target" sh -c "$*"
"""

# libvirt rounds memory up to MiB, which would be a multiple of 64 pages (see guest.MEMORY); so QEMU is told itself.
DOMAIN = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>{kib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{command_line}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='/var/log/libvirt/qemu/console.log' append='on'/></serial>
{interface}
  </devices>
  <qemu:commandline>
{arguments}
    <qemu:arg value='-qmp'/>
    <qemu:arg value='unix:/run/qemu/test.qmp,server=on,wait=off'/>
    <qemu:arg value='-m'/>
    <qemu:arg value='{memory}'/>
    <qemu:arg value='-object'/>
    <qemu:arg value='memory-backend-ram,id=whole.ram,size={memory}'/>
    <qemu:arg value='-machine'/>
    <qemu:arg value='memory-backend=whole.ram'/>
  </qemu:commandline>
</domain>
"""


class LibvirtHost:
    """A host of the lab with libvirtd. Commands run in it as root types them there, in a directory with the sources'
    `cli`."""

    def __init__(self, lab, site, overlay):
        self._lab, self.site, self.name = lab, site, f"host-{site}"
        self.directory = lab.path(f"libvirt-{site}")
        for each in ("etc", "lib", "log/qemu", "cache", "run", "bin", "tmpfiles", "home"):
            os.makedirs(os.path.join(self.directory, each), mode=0o755)
        self.write("etc/libvirtd.conf", LIBVIRTD_CONF.format(uuid=uuid.uuid4()))
        self.write("etc/qemu.conf", QEMU_CONF)
        self.write("hosts", "127.0.0.1 localhost\n" + "".join(
            f"{sites.underlay(host)} host-{host}.example.org host-{host}\n" for host in sites.HOSTS))
        for kind, more in (("passwd", f"libvirt-qemu:x:{QEMU_USER_ID}:{QEMU_USER_ID}::/:/usr/sbin/nologin\n"),
                           ("group", f"libvirt-qemu:x:{QEMU_USER_ID}:\n")):
            with open(f"/etc/{kind}", encoding="utf-8") as file:
                text = file.read()
            self.write(kind, text if "\nlibvirt-qemu:" in text else text + more)
        os.symlink(overlay.binary, self.path("bin/rove"))
        os.symlink(os.path.join(SOURCES, "cli"), self.path("home/cli"))
        self._process = lab.spawn(self.name, "unshare", "--mount", "--uts", "--propagation", "private", "python3", "-B",
                                  HOST, self.name, self.directory, lab.path(site), lab.directory,
                                  log=f"libvirtd-{site}.log")
        self.pid = self._process.pid

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def wait_ready(self, hosts):
        """`hosts`: those that it reaches by ssh."""
        self.write("bin/systemctl", SYSTEMCTL.format(pid=self.pid, socket="/run/libvirt/libvirt-sock"), 0o755)
        cases = "\n".join(f"{host.name} | {host.name}.example.org) target={host.pid} ;;" for host in hosts)
        self.write("bin/ssh", SSH.format(cases=cases), 0o755)
        sites.wait_for(lambda: os.path.exists(self.path("run/libvirt/libvirt-sock")), READY_S, self._process)

    def _inside(self, command):
        return ["nsenter", "--mount", "--uts", "--target", self.pid, "bash", "-c",
                f"cd '{self.path('home')}' && {command}"]

    def _environment(self):
        return {"PATH": self.path("bin") + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}

    def run(self, command, check=False, timeout=60):
        """A line of shell; its CompletedProcess."""
        result = self._lab.run(self.name, *self._inside(command),
                               environment=self._environment(), timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"{self.name}# {command}\n{result.stdout}{result.stderr}{self.log()}")
        return result

    def spawn(self, command, log):
        return self._lab.spawn(self.name, *self._inside(f"exec {command}"), log=log, environment=self._environment())

    def log(self):
        text = f"--- libvirtd at {self.name}\n" + self._process.last_lines()
        for name in ("log/libvirtd.log", f"log/qemu/{VM}.log"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), encoding="utf-8", errors="replace") as file:
                    text += f"--- {name}\n" + "".join(file.readlines()[-25:])
        return text


class LibvirtGuest:
    """The guest of the lab as libvirt's domain `web`; in its experiments it stands for guest.Guest. `hosts` are
    LibvirtHosts by site, `commands` what to type at the source for each site that it moves to."""

    kind = "QEMU, no KVM, by libvirt"

    def __init__(self, hosts, commands):
        self._hosts, self._commands = hosts, commands
        self.site = None
        self._qmp = None

    @staticmethod
    def domain(image, interface, arguments):
        """The XML. `interface` and `arguments` (of <qemu:commandline>) as an operator has them."""
        return DOMAIN.format(name=VM, uuid=DOMAIN_UUID, kernel=image.kernel, initramfs=image.initramfs, memory=MEMORY,
                             kib=MEMORY.rstrip("K"), command_line=kernel_command_line(), interface=interface,
                             arguments=arguments)

    def _console(self, site):
        return self._hosts[site].path("log", "qemu", "console.log")

    def _monitor(self, site):
        return Qmp(self._hosts[site].path("run", "qemu", "test.qmp"), time.monotonic() + READY_S)

    def booted(self, site, timeout=120.0):
        """Once `virsh start` has been typed there: waits until the guest is up."""
        self.site, self._qmp = site, self._monitor(site)
        deadline = time.monotonic() + timeout
        while not self._is_ready(site):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the guest does not come up\n{self._hosts[site].log()}")
            time.sleep(0.1)

    def _is_ready(self, site):
        with open(self._console(site), "rb") as console:
            return b"rove guest ready" in console.read()

    def type_migrate(self, target, options=""):
        """Types the command; its Process, which goes on."""
        return self._hosts[self.site].spawn(self._commands[target] + options, log="migrate.log")

    def begin(self, target, options=""):
        """Types the command; its Process, and the target's monitor, once QEMU is there."""
        process = self.type_migrate(target, options)
        return process, self._monitor(target)

    def wait_copying(self):
        deadline = time.monotonic() + READY_S
        while self._qmp.command("query-migrate").get("status") != "active":
            if time.monotonic() > deadline:
                raise RuntimeError(f"no migration\n{self._hosts[self.site].log()}")
            time.sleep(0.02)

    def migrate(self, target, on_resumed=lambda resumed: None):
        """Moves it by the command; returns the Move."""
        self._qmp.forget_events()
        process, qmp = self.begin(target)
        stopped, _ = self._qmp.wait_event("STOP", 60)
        resumed, _ = qmp.wait_event("RESUME", 20)
        on_resumed(resumed)
        if not process.wait(30) or process.status != 0:
            raise RuntimeError(f"{process.last_lines()}{self._hosts[self.site].log()}{self._hosts[target].log()}")
        self._qmp.close()
        source, self.site, self._qmp = self.site, target, qmp
        return Move(source, target, stopped, resumed, None)
