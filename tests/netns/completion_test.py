#!/usr/bin/env python3
"""`rove completion SHELL` in the shells that it is for, beside running daemons.
Usage: completion_test.py ROVE
"""

import os
import pty
import re
import select
import shlex
import subprocess
import time
import unittest

import cli_test
from cli_test import NOT_RUNNING, OK, USAGE, wait_for
from two_vm_lab import TwoVmLab

OTHER_MAC = "02:00:5e:20:00:0a"  # the others' begin differently
OTHER_IP = "10.77.0.9"


class Case(cli_test.Case):
    """With daemons, and a VM at the first host that is claimed by hand."""

    @classmethod
    def setUpClass(cls):
        if any(host.daemon is None for host in cli_test.LAB.hosts):
            cli_test.LAB.start()

    def setUp(self):
        super().setUp()
        self.expect(OK, self.a, "claim", OTHER_MAC, OTHER_IP)
        peers = lambda: [peer["name"] for peer in self.a.json("peers")["peers"]]
        self.assertTrue(wait_for(lambda: "b" in peers()))

    def script(self, shell):
        path = self.a.path(f"completion.{shell}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.expect(OK, self.a, "completion", shell).stdout)
        return path

    def run_shell(self, *command):
        """In the first host's namespace, with `rove` in the PATH."""
        environment = dict(self.a.environment, PATH=f"{os.path.dirname(cli_test.ROVE)}:{os.environ['PATH']}",
                           HOME=self.a.directory, TERM="dumb")
        return subprocess.run(["ip", "netns", "exec", self.a.namespace, *command], capture_output=True, text=True,
                              timeout=60, check=False, env=environment)


class Words(Case):
    """The words themselves, and usage."""

    def words(self, kind, *arguments, **keywords):
        return self.expect(OK, self.a, "complete-words", kind, *arguments, **keywords).stdout.split()

    def test_words_are_what_the_daemon_knows(self):
        self.assertEqual(self.words("networks"), ["demo"])
        self.assertEqual(self.words("nodes"), ["a", "b"])
        self.assertIn(OTHER_MAC, self.words("macs"))
        self.assertNotIn(OTHER_IP, self.words("macs"))
        self.assertIn(OTHER_IP, self.words("ips"))
        self.assertEqual(set(self.words("addresses")), set(self.words("macs")) | set(self.words("ips")))

    def test_without_a_daemon_there_are_none_and_no_errors(self):
        nowhere = {"ROVE_RUN_DIR": self.a.path("nowhere")}
        result = self.expect(OK, self.a, "complete-words", "nodes", environment=nowhere)
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        self.assertEqual(self.words("networks", environment=nowhere), ["demo"])
        self.assertEqual(self.words("nodes", "-n", "other"), [])
        self.expect(NOT_RUNNING, self.a, "status", environment=nowhere)

    def test_usage(self):
        for arguments in (["completion"], ["completion", "tcsh"], ["complete-words"], ["complete-words", "colours"]):
            self.expect(USAGE, self.a, *arguments)
        text = self.expect(OK, self.a, "--help").stdout
        self.assertIn("completion", text)
        self.assertNotIn("complete-words", text)


class Bash(Case):
    """bash, without anybody's completion but this one."""

    def complete(self, *lines):
        """What bash is told for each line with the cursor at its end; its own words are cut at colons, as it does."""
        program = [f"source {shlex.quote(self.script('bash'))}"]
        for line in lines:
            words = re.findall(r"[:=]+|[^\s:=]+", line) + ([""] if line.endswith(" ") else [])
            program.append(f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; "
                           f"COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; _rove; "
                           'printf "%s " "${COMPREPLY[@]}"; echo')
        run = self.run_shell("bash", "--norc", "--noprofile", "-c", "\n".join(program))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        replies = [sorted(line.split()) for line in run.stdout.splitlines()]
        self.assertEqual(len(replies), len(lines))
        return replies[0] if len(replies) == 1 else replies

    def test_verbs(self):
        verbs = self.complete("rove ")
        for verb in ("init", "up", "status", "lookup", "pcap", "completion", "version"):
            self.assertIn(verb, verbs)
        self.assertNotIn("complete-words", verbs)
        self.assertEqual(self.complete("rove pc", "rove -n demo pc", "rove --network=demo pc", "rove x"),
                         [["pcap"], ["pcap"], ["pcap"], []])

    def test_options(self):
        self.assertEqual(self.complete("rove lookup --r", "rove pcap --i", "rove init demo --su"),
                         [["--refresh", "--run-dir"], ["--inside"], ["--subnet"]])
        self.assertIn("--network", self.complete("rove --"))
        self.assertEqual(self.complete("rove up --log-level ", "rove up --log-level=d", "rove completion "),
                         [["debug", "error", "info", "warn"], ["debug"], ["bash", "fish", "zsh"]])

    def test_names_and_addresses(self):
        self.assertEqual(self.complete("rove up ", "rove -n ", "rove --network=d"), [["demo"], ["demo"], ["demo"]])
        self.assertIn(OTHER_IP, self.complete("rove lookup "))
        self.assertEqual(self.complete("rove lookup 10.77.0.9"), [OTHER_IP])
        self.assertEqual(self.complete("rove -n nobody lookup 10.77.0.9"), [])
        self.assertEqual(self.complete("rove init ", "rove enroll "), [[], []])

    def test_addresses_with_colons(self):
        """bash replaces what stands behind the last colon only."""
        self.assertEqual(self.complete("rove release 02:00:5e:20:00:0", "rove release 02:00:5e:2", "rove release 7:"),
                         [["0a"], ["20:00:0a"], []])
        self.assertEqual(self.complete(f"rove claim {OTHER_MAC} 10.77.0.9"), [OTHER_IP])

    def test_files(self):
        path = self.a.path("etc")
        self.assertEqual(self.complete(f"rove check --config {path}/demo.t", f"rove --dir {path[:-1]}"),
                         [[f"{path}/demo.toml"], [path]])
        self.assertIn(f"{path}/demo.ca.pem", self.complete(f"rove join {path}/"))


class Interactive(Case):
    """The shells themselves, at a terminal, with a Tab."""

    def type(self, command, prelude, line):
        """Types a line's beginning and a Tab; returns the screen since then."""
        process, terminal = pty.fork()
        if process == 0:
            environment = dict(self.a.environment, TERM="dumb", HOME=self.a.directory,
                               PATH=f"{os.path.dirname(cli_test.ROVE)}:{os.environ['PATH']}")
            os.execvpe("ip", ["ip", "netns", "exec", self.a.namespace, *command], environment)
        try:
            os.write(terminal, f"{prelude}\necho rea''dy\n".encode())
            self.read_until(terminal, "\nready")
            time.sleep(0.2)  # for the prompt
            os.write(terminal, f"{line}\t".encode())
            return self.read_until(terminal, None, 1.5)
        finally:
            os.close(terminal)
            os.waitpid(process, 0)

    def read_until(self, terminal, text, seconds=20.0):
        heard = ""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                heard += os.read(terminal, 65536).decode(errors="replace")
                if text and text in heard:
                    return heard
        if text:
            self.fail(f"{text!r} did not come: {heard!r}")
        return heard

    def test_bash(self):
        prelude = f"source {self.script('bash')}"
        shell = ("bash", "--norc", "--noprofile", "-i")
        self.assertIn("rove status ", self.type(shell, prelude, "rove sta"))
        self.assertIn(f"rove lookup {OTHER_MAC} ", self.type(shell, prelude, f"rove lookup {OTHER_MAC[:-1]}"))

    def test_zsh(self):
        prelude = f"unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -D; source {self.script('zsh')}"
        shell = ("zsh", "-f", "-i")
        self.assertEqual(self.run_shell("zsh", "-n", self.script("zsh")).stderr, "")
        self.assertIn("rove status ", self.type(shell, prelude, "rove sta"))
        self.assertIn("--refresh ", self.type(shell, prelude, "rove lookup --ref"))
        self.assertIn(f"{OTHER_MAC} ", self.type(shell, prelude, f"rove -n demo lookup {OTHER_MAC[:-1]}"))
        self.assertNotIn(OTHER_MAC, self.type(shell, prelude, f"rove -n nobody lookup {OTHER_MAC[:-1]}"))


class Fish(Case):
    """fish, which tells by itself what it would offer."""

    def complete(self, line):
        script = self.script("fish")
        run = self.run_shell("fish", "--no-config", "-c", f"source {script}; complete -C {shlex.quote(line)}")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return {entry.split("\t")[0] for entry in run.stdout.splitlines()}

    def test_it_parses(self):
        self.assertEqual(self.run_shell("fish", "--no-execute", self.script("fish")).stderr, "")

    def test_verbs_options_and_names(self):
        self.assertEqual(self.complete("rove sta"), {"status"})
        self.assertEqual(self.complete("rove lookup --ref"), {"--refresh"})
        self.assertEqual(self.complete("rove up "), {"demo"})
        self.assertEqual(self.complete("rove completion "), {"bash", "zsh", "fish"})
        self.assertEqual(self.complete("rove up --log-level d"), {"debug"})
        self.assertEqual(self.complete("rove lookup 10.77.0.9"), {OTHER_IP})
        self.assertEqual(self.complete(f"rove claim {OTHER_MAC} {OTHER_IP} 10.77.0.9"), {OTHER_IP})
        self.assertIn(OTHER_MAC, self.complete("rove -n demo release "))
        self.assertEqual(self.complete("rove -n nobody release "), set())
        self.assertIn("demo.toml", " ".join(self.complete(f"rove check --config {self.a.path('etc')}/")))


if __name__ == "__main__":
    cli_test.main(TwoVmLab)
