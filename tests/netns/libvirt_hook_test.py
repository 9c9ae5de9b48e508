#!/usr/bin/env python3
"""libvirt's hook script with libvirt's arguments and XML: which verbs it calls, and what it does to real daemons.
Usage: libvirt_hook_test.py ROVE
"""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

import cli_test
from cli_test import OK, SKIP, Lab, wait_for

HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cli", "libvirt", "qemu")
UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
MAC = "52:54:00:10:00:05"
OTHER_MAC = "52:54:00:10:00:06"

# As `virsh dumpxml` and libvirt's hooks print a running domain; what has nothing to do with interfaces is cut.
DOMAIN = f"""\
<domain type='kvm' id='3'>
  <name>web</name>
  <uuid>{UUID}</uuid>
  <metadata>
    <interface xmlns="https://example.org/not-libvirt">
      <mac address='52:54:00:66:66:66'/>
      <source bridge='br0'/>
    </interface>
  </metadata>
  <memory unit='KiB'>131072</memory>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <source file='/var/lib/libvirt/images/web.img' index='1'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='{MAC}'/>
      <source bridge='br0'/>
      <target dev='vnet2'/>
      <model type='virtio'/>
      <alias name='net0'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </interface>
    <interface type='network'>
      <mac address='{OTHER_MAC}'/>
      <source network='lab' portid='f5a5c1b3-7d0e-4a43-9c8a-3c2b1a0f9e8d' bridge='br0'/>
      <target dev='vnet3'/>
      <model type='virtio'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:10:00:07'/>
      <source bridge='br-storage'/>
      <target dev='vnet4'/>
    </interface>
    <interface type='direct'>
      <mac address='52:54:00:10:00:08'/>
      <source dev='eth0' mode='bridge'/>
      <target dev='macvtap0'/>
    </interface>
  </devices>
</domain>
"""


def run_hook(*arguments, environment, before=(), stdin=DOMAIN):
    """The hook as libvirt runs it; it must print nothing and succeed, whatever happens."""
    result = subprocess.run([*before, HOOK, "web", *arguments], input=stdin, capture_output=True, text=True, timeout=30,
                            check=False, env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), result
    return result


class Calls(unittest.TestCase):
    """With a `rove` and a `logger` that only write down how they were called."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="rove-hook-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.run_dir = os.path.join(self.directory, "run")
        for name in ("bin", "run"):
            os.mkdir(os.path.join(self.directory, name))
        self.environment = {"PATH": os.path.join(self.directory, "bin") + ":/usr/bin:/bin",
                            "ROVE_RUN_DIR": self.run_dir, "LIBVIRT_RUN_DIR": self.directory}
        self.add_daemon("demo")
        self.set_rove("echo done")
        self.add_program("logger", 'echo "$@" >>"$HERE/log"')

    def add_program(self, name, script):
        path = os.path.join(self.directory, "bin", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nHERE={self.directory}\n{script}\n")
        os.chmod(path, 0o755)

    def set_rove(self, act):
        """`rove status` tells of bridges; everything else is written down, then `act` happens."""
        self.add_program("rove", textwrap.dedent("""\
            case "$1 $3" in
            "status demo") echo '{"schema":1,"network":"demo","tap":"rove0","bridge":"br0","peers":{"up":1}}'; exit ;;
            "status storage") echo '{"schema":1,"network":"storage","bridge":"br-storage"}'; exit ;;
            "status lonely") echo '{"schema":1,"network":"lonely","bridge":""}'; exit ;;
            status*) echo 'rove: reach the daemon: none runs' >&2; exit 5 ;;
            esac
            echo "$@" >>"$HERE/calls"
            """) + act)

    def add_daemon(self, network):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.run_dir, network + ".sock"))

    def hook(self, *arguments, stdin=DOMAIN, **environment):
        run_hook(*arguments, environment={**self.environment, **environment}, stdin=stdin)
        return self.take("calls")

    def take(self, name):
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        os.remove(path)
        return lines

    def test_it_is_executable(self):
        self.assertTrue(os.stat(HOOK).st_mode & stat.S_IXUSR)

    def test_a_vm_that_was_started_is_claimed_by_what_is_in_the_bridge(self):
        self.assertEqual(self.hook("started", "begin", "-"),
                         [f"claim -n demo {MAC}", f"claim -n demo {OTHER_MAC}"])

    def test_each_network_gets_what_is_in_its_bridge(self):
        for network in ("storage", "lonely", "dead"):
            self.add_daemon(network)
        self.assertEqual(self.hook("started", "begin", "-"),
                         [f"claim -n demo {MAC}", f"claim -n demo {OTHER_MAC}",
                          "claim -n storage 52:54:00:10:00:07"])

    def test_a_vm_that_has_stopped_is_released_at_the_end_only(self):
        released = [f"release -n demo {MAC}", f"release -n demo {OTHER_MAC}"]
        self.assertEqual(self.hook("stopped", "end", "-"), [])
        # Before libvirt 10.5 there was no reason.
        for reason in ("-", "shutdown", "destroyed", "crashed", "saved", "failed", "unknown"):
            with self.subTest(reason=reason):
                self.assertEqual(self.hook("release", "end", reason), released)

    def test_a_vm_that_has_migrated_is_left_alone(self):
        self.assertEqual(self.hook("release", "end", "migrated"), [])

    def test_a_vm_that_comes_is_not_claimed_while_it_runs_elsewhere(self):
        self.assertEqual(self.hook("migrate", "begin", "-"),
                         [f"prepare -n demo {MAC}", f"prepare -n demo {OTHER_MAC}"])
        for arguments in (("prepare", "begin", "-"), ("start", "begin", "-"), ("started", "begin", "-")):
            self.assertEqual(self.hook(*arguments), [])
        # Switched off there and started anew.
        self.assertEqual(len(self.hook("release", "end", "shutdown")), 2)
        self.assertEqual(len(self.hook("started", "begin", "-")), 2)

    def test_a_migration_that_failed_leaves_no_mark(self):
        self.hook("migrate", "begin", "-")
        self.assertEqual(self.hook("release", "end", "failed"),
                         [f"release -n demo {MAC}", f"release -n demo {OTHER_MAC}"])
        self.assertEqual(len(self.hook("started", "begin", "-")), 2)

    def test_a_mark_that_was_left_over_does_not_count(self):
        self.hook("migrate", "begin", "-")
        mark = os.path.join(self.run_dir, "libvirt-incoming", UUID)
        for text in (str(int(time.time()) - 301), "", "nonsense"):
            with open(mark, "w", encoding="ascii") as file:
                file.write(text + "\n")
            self.assertEqual(len(self.hook("started", "begin", "-")), 2, text)
            self.assertFalse(os.path.exists(mark))

    def add_network(self, name, bridge):
        """A network of libvirt's that is up."""
        os.makedirs(os.path.join(self.directory, "network"), exist_ok=True)
        with open(os.path.join(self.directory, "network", f"{name}.xml"), "w", encoding="ascii") as file:
            file.write(f"<networkstatus>\n  <network>\n    <name>{name}</name>\n    <forward mode='bridge'/>\n"
                       f"    <bridge name='{bridge}'/>\n  </network>\n</networkstatus>\n")

    def test_a_networks_bridge_is_known_while_the_vm_does_not_run(self):
        # As libvirt 9.0 has it at "migrate begin", "prepare begin", "stopped end" and "release end".
        domain = re.sub("<source network='lab'.*", "<source network='lab'/>", DOMAIN)
        self.add_daemon("storage")
        self.add_network("lab", "br0")

        for arguments, verb in (("migrate", "begin", "-"), "prepare"), (("release", "end", "-"), "release"):
            self.assertEqual([call for call in self.hook(*arguments, stdin=domain) if OTHER_MAC in call],
                             [f"{verb} -n demo {OTHER_MAC}"])

        self.add_network("lab", "br-other")
        for arguments in (("migrate", "begin", "-"), ("release", "end", "-")):
            self.assertNotIn(OTHER_MAC, " ".join(self.hook(*arguments, stdin=domain)))

    def test_the_vm_of_a_network_that_is_gone_is_released_wherever_it_was(self):
        self.add_daemon("storage")
        for name in ("lab", "../network/lab"):
            domain = re.sub("<source network='lab'.*", f"<source network='{name}'/>", DOMAIN)
            self.assertNotIn(OTHER_MAC, " ".join(self.hook("migrate", "begin", "-", stdin=domain)))
            self.assertEqual([call for call in self.hook("release", "end", "-", stdin=domain) if OTHER_MAC in call],
                             [f"release -n demo {OTHER_MAC}", f"release -n storage {OTHER_MAC}"])
            self.add_network("lab", "br0")  # which that name is not to reach

    def add_qemu(self, *arguments):
        """A process with these arguments is the VM's QEMU by libvirt's pid file."""
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.makedirs(os.path.join(self.directory, "qemu"), exist_ok=True)
        with open(os.path.join(self.directory, "qemu", "web.pid"), "w", encoding="ascii") as file:
            file.write(str(process.pid))

    def test_a_mark_counts_only_while_qemu_waits_for_the_vm(self):
        # `virsh migrate --offline` calls "migrate begin" and nothing else; then it is started.
        self.hook("migrate", "begin", "-")
        self.add_qemu("-S", "-name", "guest=web -incoming")
        self.assertEqual(len(self.hook("started", "begin", "-")), 2)

        self.hook("migrate", "begin", "-")
        self.add_qemu("-S", "-incoming", "defer")
        self.assertEqual(self.hook("started", "begin", "-"), [])

        # Restored from a file: it waits, but for nothing that runs elsewhere.
        self.assertEqual(len(self.hook("started", "begin", "-")), 2)

    def test_other_operations_do_nothing(self):
        for arguments in (("prepare", "begin", "-"), ("start", "begin", "-"), ("stopped", "end", "-"),
                          ("reconnect", "begin", "-"), ("attach", "begin", "-"), ("restore", "begin", "-"), ()):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.hook(*arguments), [])
        self.assertEqual(self.take("log"), [])

    def test_without_a_daemon_nothing_is_called(self):
        shutil.rmtree(self.run_dir)
        for arguments in (("migrate", "begin", "-"), ("started", "begin", "-"), ("release", "end", "shutdown")):
            self.assertEqual(self.hook(*arguments), [])

    def test_what_was_done_and_what_failed_is_logged(self):
        self.hook("started", "begin", "-")
        self.assertEqual(self.take("log")[0], "-t rove-hook -- web started: demo: done")
        self.set_rove("echo 'rove: claim: denied' >&2; exit 4")
        self.assertEqual(len(self.hook("started", "begin", "-")), 2)
        self.assertEqual(self.take("log")[0],
                         f"-t rove-hook -- web started: demo: claim {MAC} failed: rove: claim: denied")

    def test_a_daemon_that_does_not_answer_holds_nobody_up(self):
        self.set_rove("sleep 60")
        begin = time.monotonic()
        self.assertEqual(self.hook("started", "begin", "-", ROVE_HOOK_SECONDS="1"), [f"claim -n demo {MAC}"])
        self.assertLess(time.monotonic() - begin, 5)
        self.assertTrue(wait_for(lambda: os.path.exists(os.path.join(self.directory, "log")), 5))
        self.assertEqual(self.take("log"), ["-t rove-hook -- web started: no answer from rove in time; given up"])

    def test_xml_that_is_none_or_hostile_calls_nothing(self):
        nasty = "<domain>\n<interface type='bridge'>\n<mac address='{}'/>\n<source bridge='{}'/>\n</interface>\n"
        for text in ("", "nonsense", "</interface>\n", "<domain>\n<interface type='bridge'>\n",
                     nasty.format("--help", "br0"), nasty.format("$(touch x)", "br0"), nasty.format(MAC, "$(touch x)"),
                     nasty.format(MAC, "br 0"), nasty.format("", "br0"), nasty.format(MAC, "")):
            with self.subTest(text=text):
                self.assertEqual(self.hook("started", "begin", "-", stdin=text), [])


class Daemons(unittest.TestCase):
    """Two hosts with real daemons and a bridge each."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("needs root and /dev/net/tun")
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.down)
        cli_test.ROVE = shutil.copy(cls.rove, os.path.join(cls.lab.directory, "rove"))
        try:
            cls.lab.up()
            cls.lab.ip("-n", cls.lab.namespaces[1], "link", "add", "br0", "type", "bridge")
            cls.lab.ip("-n", cls.lab.namespaces[1], "link", "set", "br0", "up")
        except subprocess.CalledProcessError as error:
            raise unittest.SkipTest(error.stderr) from error
        cls.a, cls.b = cls.lab.hosts
        ticket = os.path.join(cls.lab.directory, "b.rove")
        for host, arguments in ((cls.a, ["init", "demo", "--subnet", "10.77.0.0/24", "--node", "a", "--bootstrap",
                                         f"10.1.0.1:{cli_test.PORT}"]),
                                (cls.a, ["enroll", "b", "-o", ticket]), (cls.b, ["join", ticket])):
            result = host.rove(*arguments)
            assert result.returncode == OK, result.stderr
        for host in cls.lab.hosts:
            with open(host.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
                text = file.read()
                file.seek(0)
                file.write('bridge = "br0"\n' + text)
            host.start()
        for host in cls.lab.hosts:
            assert host.rove("wait").returncode == OK, host.log()
        up = lambda: any(peer["up"] for peer in cls.a.json("peers")["peers"])
        assert wait_for(up), cls.a.log()

    def hook(self, host, *arguments):
        path = self.lab.directory + ":" + os.environ["PATH"]
        run_hook(*arguments, before=["ip", "netns", "exec", host.namespace],
                 environment={**host.environment, "PATH": path, "LIBVIRT_RUN_DIR": self.lab.directory})

    def states(self, host):
        vms = [vm for vm in host.json("vms")["vms"] if vm["mac"] in (MAC, OTHER_MAC)]
        return {vm["mac"]: (vm["state"], vm["pinned"]) for vm in vms}

    def owner(self, host):
        return host.json("lookup", MAC, "--refresh").get("node")

    def test_1_started_and_stopped(self):
        self.hook(self.a, "started", "begin", "-")
        self.assertEqual(self.states(self.a), {MAC: ("live", True), OTHER_MAC: ("live", True)})
        self.assertTrue(wait_for(lambda: self.owner(self.b) == "a"))
        self.hook(self.a, "release", "end", "shutdown")
        self.assertEqual(self.states(self.a), {})
        self.assertTrue(wait_for(lambda: self.owner(self.b) is None))

    def test_2_a_migration(self):
        for reason in ("-", "migrated"):  # libvirt before 10.5, and later
            with self.subTest(reason=reason):
                self.hook(self.a, "started", "begin", "-")
                self.assertTrue(wait_for(lambda: self.owner(self.b) == "a"))
                for operation in ("migrate", "prepare", "start", "started"):
                    self.hook(self.b, operation, "begin", "-")
                # The memory is being copied, the VM still runs at a.
                self.assertEqual(self.states(self.b), {MAC: ("expected", False), OTHER_MAC: ("expected", False)})
                self.assertEqual(self.owner(self.b), "a")
                # It announces itself at b; rove claim stands for its RARP here.
                for mac in (MAC, OTHER_MAC):
                    self.assertEqual(self.b.rove("claim", mac).returncode, OK)
                away = {MAC: ("forwarding", True), OTHER_MAC: ("forwarding", True)}
                self.assertTrue(wait_for(lambda expected=away: self.states(self.a) == expected))
                self.hook(self.a, "stopped", "end", "-")
                self.hook(self.a, "release", "end", reason)
                # The source took nothing away from the target, and still sends on what comes late.
                self.assertEqual(self.states(self.a), away)
                self.assertEqual(self.owner(self.a), "b")
                self.assertEqual(self.states(self.b)[MAC][0], "live")
                self.hook(self.b, "release", "end", "shutdown")
                self.assertTrue(wait_for(lambda: self.owner(self.a) is None))

    def test_3_a_migration_that_fails_at_the_target_leaves_the_vm_at_the_source(self):
        self.hook(self.a, "started", "begin", "-")
        self.assertTrue(wait_for(lambda: self.owner(self.b) == "a"))
        for operation in ("migrate", "prepare", "start", "started"):
            self.hook(self.b, operation, "begin", "-")
        self.assertEqual(self.states(self.b)[MAC], ("expected", False))
        self.hook(self.b, "stopped", "end", "-")
        self.hook(self.b, "release", "end", "failed")
        self.assertEqual(self.states(self.b), {})
        self.assertEqual(self.states(self.a)[MAC], ("live", True))
        self.assertEqual(self.owner(self.b), "a")
        self.hook(self.a, "release", "end", "destroyed")


def main():
    Daemons.rove = os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIP if result.skipped else 0)


if __name__ == "__main__":
    main()
