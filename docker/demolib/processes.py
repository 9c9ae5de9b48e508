"""Processes that the lab starts: by pid, in a namespace, stopped one by one."""

import os
import signal
import subprocess
import time


class Process:
    """A program in a network namespace, or in our own with None. `ip netns exec` replaces itself by it, so the pid is
    the program's own."""

    def __init__(self, namespace, command, log, environment=None, stdin=None):
        self.command = [str(word) for word in command]
        self.log = log
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        with open(log, "ab") as output:
            self._popen = subprocess.Popen(
                [*prefix, *self.command], stdout=output, stderr=subprocess.STDOUT,
                stdin=stdin or subprocess.DEVNULL, env={**os.environ, **(environment or {})},
                start_new_session=True)  # Ctrl-C reaches only the driver, which then stops things in order
        self.pid = self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    @property
    def status(self):
        """Its exit status; None while it runs."""
        return self._popen.poll()

    def signal(self, number):
        if self.running:
            self._popen.send_signal(number)

    def wait(self, timeout):
        """True when it has ended within `timeout` seconds."""
        try:
            self._popen.wait(timeout)
            return True
        except subprocess.TimeoutExpired:
            return False

    def stop(self, timeout=5.0):
        self.signal(signal.SIGTERM)
        if not self.wait(timeout):
            self.kill()

    def kill(self):
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def last_lines(self, count=15):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-count:])


def _stat(pid):
    """The fields of /proc/PID/stat after the name: state, parent, … (proc(5)); None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def identity(pid):
    """A process's start time in clock ticks since boot, which tells it from a later one with the same pid; None
    when there is none."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else int(fields[19])


def own_children_in(namespace):
    """Pids of this process's children in a network namespace."""
    listing = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False).stdout
    stats = [(int(pid), _stat(pid)) for pid in listing.split()]
    return [pid for pid, fields in stats if fields is not None and int(fields[1]) == os.getpid()]


def end(pid, started, patience=3.0):
    """Ends a process of an earlier run, if it is still the same one: with -9 when it needs more than `patience` s."""
    for number, patience in ((signal.SIGTERM, patience), (signal.SIGKILL, 3.0)):
        deadline = time.monotonic() + patience
        while identity(pid) == started:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
