#!/usr/bin/env python3
"""A guest under a real libvirt: claimed when it is started, moved by `virsh migrate` there and back, a migration that
is cancelled, one that is refused, one whose QEMU dies, `virsh destroy`, `save` and `restore`; and QEMU alone. What is
typed stands in docs/hypervisors.md. Usage: libvirt_test.py ROVE WAN_EMULATOR"""

import json
import os
import re
import shutil
import signal
import sys
import time

import lab_test
import sites
from guest import MAC, MEMORY
from guest_image import GuestImage
from libvirt_lab import SOURCES, VM, LibvirtGuest, LibvirtHost
from qmp import Qmp

sys.path.insert(0, os.path.join(SOURCES, "tests", "netns"))

# pylint: disable=wrong-import-position
import docs_test  # noqa: E402

PAGE = os.path.join(SOURCES, "docs", "hypervisors.md")
CONFFILES = os.path.join(SOURCES, "cli", "packaging", "debian", "conffiles")
# Of a ping every 10 ms. Without a replay all of the pause is lost, some 15; the machine is shared.
LOST_MAX = 10
LOST_WHEN_IT_STAYS = 5
LOOKUP_MS = 2000
PATIENCE_S = 15
SLOW = " --bandwidth 1"  # MiB/s: there is time to do something before the end
# Of a QEMU without libvirt.
MACHINE = f"-accel tcg -cpu qemu64 -m {MEMORY} -nodefaults -display none"
OTHER_MAC, PLUGGED_MAC = "52:54:00:99:00:11", "52:54:00:99:00:12"
# A second hook, before ours: what libvirt calls.
TRACE = """\
#!/bin/sh
cat >/dev/null
echo "$2 $3 $4" >>/var/log/libvirt/hooks
"""
ARRIVES = ["migrate begin -", "prepare begin -", "start begin -", "started begin -"]
# libvirt 10.5 and later tell the reason.
STOPS = [r"stopped end \S+", r"release end \S+"]


def watch_log(site):
    return f"watch-{site}.log"


class Page:
    """The commands of the documentation, each typed once."""

    def __init__(self, checks, hosts):
        _, self._steps = docs_test.steps_of(PAGE)
        with open(PAGE, encoding="utf-8") as file:
            self._text = file.read()
        self._checks, self._hosts = checks, {host.name: host for host in hosts.values()}
        self._background = []

    def run(self, host, command):
        return self._hosts[host].run(command)

    def run_on(self, host, command):
        self._background.append(self._hosts[host].spawn(command.strip(), log=watch_log(host.removeprefix("host-"))))

    def stop_background(self):
        for process in self._background:
            process.stop()

    def _type(self, step):
        self._steps.remove(step)
        problem = docs_test.perform(self, step)
        self._checks.check(not problem, f"{step.where}: {step.host}# {step.command}" + (problem and f"\n{problem}"))

    def type_all(self, pattern):
        """All that match; what they were."""
        steps = [step for step in self._steps if re.search(pattern, step.command)]
        for step in steps:
            self._type(step)
        return [step.command for step in steps]

    def type_until(self, pattern):
        """All that stand before the first that matches."""
        while self._steps and not re.search(pattern, self._steps[0].command):
            self._type(self._steps[0])

    def type_rest(self):
        while self._steps:
            self._type(self._steps[0])

    def take(self, pattern):
        """The first that matches; it is for the caller to type."""
        step = next(step for step in self._steps if re.search(pattern, step.command))
        self._steps.remove(step)
        return step.command

    def part(self, begin, end):
        """What stands between two words in a block of XML, with them."""
        found = re.search(rf"```xml\n(?:(?!```).)*?({begin}.*?{end})", self._text, re.DOTALL)
        return found[1]

    def phrase(self, begin):
        """A phrase of code in the text."""
        return re.search(f"`({begin}[^`]*)`", self._text)[1]


class Test:
    def __init__(self, checks, lab, overlay, experiment):
        self.checks, self.overlay, self.experiment, self._lab = checks, overlay, experiment, lab
        self.hosts = {site: LibvirtHost(lab, site, overlay) for site in ("a", "b")}
        for host in self.hosts.values():
            host.wait_ready(self.hosts.values())
        self.page = Page(checks, self.hosts)
        commands = {target: self.page.take(f"^virsh migrate .*host-{target}") for target in ("b", "a")}
        self.guest = experiment.guest = LibvirtGuest(self.hosts, commands)
        self._traced = {site: 0 for site in self.hosts}

    # -- looking

    def calls(self, site):
        """What libvirt has called there since this was asked last."""
        path = self.hosts[site].path("log", "hooks")
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        begin, self._traced[site] = self._traced[site], len(lines)
        return lines[begin:]

    def check_calls(self, site, expected, what):
        calls = self.calls(site)
        right = len(calls) == len(expected) and all(map(re.fullmatch, expected, calls))
        self.checks.check(right, f"{what}: libvirt calls the hook at {site}: {', '.join(calls)}")

    def state(self, site, mac):
        """As `rove vms` has it; `claimed` if it is live because somebody has said so, None if it is not there."""
        vms = json.loads(self.overlay.rove(site, "vms", "--json").stdout)["vms"]
        vm = next((vm for vm in vms if vm["mac"] == mac), {"state": None, "pinned": False})
        return "claimed" if vm["pinned"] and vm["state"] == "live" else vm["state"]

    def check_state(self, site, expected, what, mac=MAC):
        deadline = time.monotonic() + PATIENCE_S
        while (state := self.state(site, mac)) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        self.checks.check(state == expected, f"{what}: at {site} it is {state} ({expected})")

    def check_watch(self, site, words, what):
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.watch_log(site) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.checks.check(words in self.watch_log(site), what)

    def watch_log(self, site):
        with open(self._lab.path(watch_log(site)), encoding="utf-8") as file:
            return file.read()

    def wait_owner(self, site):
        return self.overlay.wait_lookup(site, time.time(), PATIENCE_S, MAC) is not None

    # -- doing

    def install(self):
        self.page.type_all("tmpfiles")
        for host in self.hosts.values():
            host.write("trace", TRACE, 0o755)
            host.run(f"install -D {host.path('trace')} /etc/libvirt/hooks/qemu.d/0-trace", check=True)
        with open(CONFFILES, encoding="ascii") as file:
            packaged = file.read().split()
        self.page.type_until("^virsh define")
        for host in self.hosts.values():
            installed = [path for path in packaged
                         if host.run(f"cmp {path} cli/libvirt/qemu && [ -x {path} ]").returncode == 0]
            self.checks.check(len(installed) == 1, f"{host.name}: it is where the package puts it: {installed}")

    def alone(self):
        """QEMU without libvirt, by the page; it moves before it has booted anything."""
        a, b = self.hosts["a"], self.hosts["b"]
        command = self.page.take("^qemu-system").rstrip("& ").replace("…", MACHINE)
        for tap in self.page.type_all("^ip tuntap"):
            a.run(tap, check=True)
        source = a.spawn(re.sub(" -incoming .*", " -qmp unix:/run/qemu/alone.qmp,server=on,wait=off", command),
                         log="alone-a.log")
        target = b.spawn(command, log="alone-b.log")
        a.run(f"rove claim {MAC}", check=True)
        self.checks.check(self.wait_owner("a"), "QEMU alone: rove claim")
        self.page.type_all("^rove prepare")
        qmp = Qmp(a.path("run", "qemu", "alone.qmp"), time.monotonic() + PATIENCE_S)
        sites.wait_for(lambda: b.run("ss -Hltn sport = :7700").stdout, PATIENCE_S, target)
        qmp.command("migrate", uri="tcp:host-b.example.org:7700")
        self.checks.check(self.wait_owner("b"), "QEMU alone: b is the owner after the migration")
        for process in (source, target):
            self.checks.check(process.running, f"{process.last_lines()}QEMU alone: both are still there")
            process.stop()
        for host in (a, b):
            host.run(f"rove release {MAC} && ip link del vm0", check=True)

    def interface(self):
        return self.page.part("<interface", "</interface>")

    def write_domain(self, site, image, interface):
        arguments = self.page.part("<qemu:arg", "(?=</qemu:commandline>)")
        self.hosts[site].write("home/web.xml", LibvirtGuest.domain(image, interface, arguments))

    def start(self, image):
        self.write_domain("a", image, self.interface())
        self.page.type_until("^rove lookup 10")
        self.check_state("a", "claimed", "after virsh start")
        self.check_calls("a", ["prepare begin -", "start begin -", "started begin -"], "after virsh start")
        self.guest.booted("a")
        self.checks.say("the guest is up")

    def move(self, target):
        source = self.guest.site
        what = f"{source} → {target}"
        figures = self.experiment.move(target)
        for role, client in figures["clients"].items():
            lost, twice = client["lost"], client["duplicated"]
            self.checks.check(lost <= LOST_MAX and twice <= LOST_MAX,
                              f"{what}: the client at the {role} lost {lost} pings, {twice} were answered twice "
                              f"(≤ {LOST_MAX}); longest gap {client['longest_gap_ms']:.0f} ms")
        self.checks.check(figures["tcp_alive"] and figures["data_intact"],
                          f"{what}: the TCP connection lives on, and its data is intact")
        after = figures["lookup_correct_after_ms"]
        self.checks.check(after is not None and after < LOOKUP_MS,
                          f"{what}: rove lookup right at every site after {after} ms (< {LOOKUP_MS})")
        lab_test.check_owner(self.checks, self.overlay, target, what)
        self.check_calls(target, ARRIVES, what)
        self.check_calls(source, STOPS, what)

    def move_that_fails(self, target, what, fail, during="expected", after=None):
        """`fail` is called while the memory is copied; what the VM is at the target then, and is left there."""
        source, begin = self.guest.site, time.time()
        process, _ = self.guest.begin(target, SLOW)
        self.guest.wait_copying()
        self.check_state(target, during, f"{what}, while memory is copied")
        self.checks.check(self.overlay.lookup(target, sites.GUEST4) == source,
                          f"{what}, while memory is copied: {source} is the owner")
        fail()
        self.checks.check(process.wait(PATIENCE_S) and process.status != 0, f"{what}: virsh migrate fails")
        self.check_state(target, after, what)
        lab_test.check_owner(self.checks, self.overlay, source, what)
        self.check_calls(target, ARRIVES + STOPS, what)
        self.check_calls(source, [], what)
        self.check_still_here(what, begin)

    def check_still_here(self, what, begin):
        site = self.guest.site
        state = self.hosts[site].run(f"virsh domstate {VM}").stdout.strip()
        self.checks.check(state == "running", f"{what}: at {site} it is {state}")
        time.sleep(0.3)
        for client, probe in self.experiment.pings.items():
            lost = probe.record().window(begin, time.time() - 0.2)["lost"]
            self.checks.check(lost <= LOST_WHEN_IT_STAYS, f"{what}: {lost} pings of client-{client} lost")

    def refused_move(self, target, image):
        """libvirt there has another VM of that name."""
        what, begin = "refused", time.time()
        other = LibvirtGuest.domain(image, "", "").replace("4dea22b3", "ffffffff")
        self.hosts[target].write("home/other.xml", other)
        self.hosts[target].run("virsh define other.xml", check=True)
        process = self.guest.type_migrate(target)
        self.checks.check(process.wait(PATIENCE_S) and process.status != 0,
                          f"{what}: virsh migrate fails: {process.last_lines().strip().splitlines()[-1]}")
        self.check_calls(target, ["migrate begin -"], what)
        lab_test.check_owner(self.checks, self.overlay, self.guest.site, what)
        self.check_still_here(what, begin)
        self.hosts[target].run(f"virsh undefine {VM}", check=True)

    def kill_qemu(self, site):
        with open(self.hosts[site].path("run", "libvirt", "qemu", f"{VM}.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)

    def watched(self):
        """With `rove watch-qemu` beside both QEMUs."""
        self.page.type_all("^rove watch-qemu")
        found = f"qemu-watched socket=/run/qemu/web.qmp vms={MAC} running="
        self.check_watch("b", f"{found}yes", "rove watch-qemu finds the guest's interface")
        self.move("a")
        self.check_watch("a", f"{found}no", "… and at the host where it comes, before it runs")
        self.check_watch("b", f"vm-stopped vm={MAC} delivered=", "… and has told how many frames the guest got")
        gone = self.watch_log("b").count("qemu-gone")
        # It left b a moment ago, so b still sends on what comes for it.
        self.move_that_fails("b", "its new QEMU is killed", lambda: self.kill_qemu("b"), "forwarding", "forwarding")
        self.checks.check(self.watch_log("b").count("qemu-gone") == gone + 1, "rove watch-qemu has seen that, too")

    def without_moving(self, image):
        """Also what libvirt says for a migration and is none, and when no guest answers."""
        a, b = self.hosts["a"], self.hosts["b"]
        # By way of a network of libvirt's, whose bridge the XML has only while the VM runs.
        for host in (a, b):
            host.write("home/lab.xml", "<network><name>lab</name>" + self.page.phrase("<forward ") +
                       self.page.phrase("<bridge ") + "</network>\n")
            host.run("virsh net-define lab.xml && virsh net-start lab", check=True)
        interface = self.interface().replace("type='bridge'", "type='network'")
        self.write_domain("a", image, interface.replace("bridge='br0'", "network='lab'").replace(MAC, OTHER_MAC))
        a.run("virsh define web.xml", check=True)
        a.run(f"virsh migrate --offline --persistent --undefinesource {VM} qemu+ssh://host-b.example.org/system",
              check=True)
        self.check_calls("b", ["migrate begin -"], "virsh migrate --offline")
        self.check_state("b", "expected", "virsh migrate --offline", OTHER_MAC)
        b.run(f"virsh start {VM}", check=True)
        self.check_state("b", "claimed", "started after virsh migrate --offline", OTHER_MAC)
        self.calls("b")
        b.run(f"virsh attach-interface {VM} bridge br0 --mac {PLUGGED_MAC} --model virtio --live", check=True)
        self.check_calls("b", [], "virsh attach-interface")
        b.run(f"virsh save {VM} /run/qemu/web.save", check=True)
        self.check_state("b", None, "virsh save", OTHER_MAC)
        b.run("virsh restore /run/qemu/web.save", check=True)
        self.check_state("b", "claimed", "virsh restore", OTHER_MAC)
        b.run(f"virsh destroy {VM} && virsh undefine {VM}", check=True)
        self.check_state("b", None, "virsh destroy", OTHER_MAC)
        if os.path.exists("/dev/vhost-net"):
            b.spawn("rove watch-qemu -n demo /run/qemu/web.qmp", log="watch-vhost.log")
            self.write_domain("b", image, self.interface().replace("<model ", "<driver name='vhost'/><model "))
            b.run("virsh create web.xml", check=True)
            self.check_watch("vhost", f"vms={MAC} ", "rove watch-qemu finds it with vhost")
            b.run(f"virsh destroy {VM}", check=True)


def main():
    lab_test.require()
    for program in ("libvirtd", "virsh"):
        if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
            print(f"skipped: needs {program}")
            sys.exit(lab_test.SKIP)
    checks = lab_test.Checks()
    with lab_test.running_lab("rvl", checks) as (lab, overlay, experiment):
        image = GuestImage(checks.say)
        test = Test(checks, lab, overlay, experiment)
        try:
            for line in test.hosts["a"].run("virsh version --daemon", check=True).stdout.splitlines():
                checks.say(line)
            test.install()
            test.alone()
            test.start(image)
            experiment.start_clients()
            lab_test.make_known6(checks, lab)
            test.move_that_fails("b", "cancelled", lambda: test.hosts["a"].run(f"virsh domjobabort {VM}", check=True))
            test.refused_move("b", image)
            test.move("b")
            test.page.type_until("^virsh destroy")
            test.watched()
            broken = experiment.finish()
            checks.check(broken is None, f"the TCP connection brought back every line ({broken or 'all there'})")
            test.page.type_rest()
            test.check_calls("a", STOPS, "virsh destroy")
            test.page.stop_background()
            test.without_moving(image)
        finally:
            if checks.failed or sys.exc_info()[0]:
                for host in test.hosts.values():
                    print(host.log())
    checks.finish()


main()
