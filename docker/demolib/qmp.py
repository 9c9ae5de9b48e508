"""QEMU's control protocol (QMP) over a unix socket."""

import json
import queue
import socket
import threading
import time


class QmpError(RuntimeError):
    pass


class Qmp:
    """One connection. A thread of its own reads, so that events bear the time of their arrival."""

    def __init__(self, path, deadline):
        self._socket = self._connect(path, deadline)
        self._answers = queue.Queue()
        self._events = []  # (name, QEMU's own time in s since 1970, data)
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.command("qmp_capabilities")

    @staticmethod
    def _connect(path, deadline):
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(path)
                return connection
            except OSError:
                connection.close()
                if time.monotonic() > deadline:
                    raise QmpError(f"QEMU did not open {path}") from None
                time.sleep(0.02)

    def _read(self):
        buffer = self._socket.makefile("rb")
        try:
            for line in buffer:
                message = json.loads(line)
                if "event" in message:
                    stamp = message["timestamp"]
                    seconds = stamp["seconds"] + stamp["microseconds"] / 1e6
                    with self._changed:
                        self._events.append((message["event"], seconds, message.get("data", {})))
                        self._changed.notify_all()
                elif "QMP" not in message:
                    self._answers.put(message)
        except (OSError, ValueError):
            pass
        self._answers.put({"error": {"desc": "QEMU closed its control socket"}})
        with self._changed:
            self._changed.notify_all()

    def command(self, name, **arguments):
        request = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            answer = self._answers.get(timeout=20)
        except (OSError, queue.Empty) as error:
            raise QmpError(f"{name}: QEMU does not answer ({error!r})") from None
        if "error" in answer:
            raise QmpError(f"{name}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(self, name, timeout, accept=lambda data: True):
        """The first event of that name that is accepted: (its time in s since 1970 by QEMU, data)."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for event, seconds, data in self._events:
                    if event == name and accept(data):
                        return seconds, data
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise QmpError(f"QEMU sent no {name} within {timeout} s")
                self._changed.wait(min(left, 1.0))

    def forget_events(self):
        """wait_event() finds only what comes from now on."""
        with self._changed:
            self._events.clear()

    def close(self):
        self._socket.close()
