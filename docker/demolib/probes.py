"""The clients' probes, and what their records say about a stretch of time."""

import os
import time

PERIOD_MS = 10


class Probe:
    """One probe_client.py; at most one of each kind at a site. Times are seconds since 1970."""

    def __init__(self, lab, site, kind, *arguments, period_ms=PERIOD_MS):
        self.site = site
        self._path = lab.path(f"{kind}-{site}.events")
        if os.path.exists(self._path):  # of an earlier one, which the new one empties only once it runs
            os.unlink(self._path)
        self._process = lab.spawn_probe(site, kind, (period_ms, kind, *arguments), self._path)

    def stop(self):
        self._process.stop(timeout=15)

    def record(self):
        return Record(self._path)

    def wait_answered(self, after, timeout):
        """Waits until something that was sent after that time came back; False when nothing did."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            record = self.record()
            if record.broken:
                return False
            if any(number in record.received for number, sent in record.sent.items() if sent > after):
                return True
            time.sleep(0.1)
        return False


class Record:
    """What a probe has written so far: when each number was sent, and when it came back."""

    def __init__(self, path):
        self.sent, self.received = {}, {}  # number -> time, number -> times
        self.overtaken = set()  # numbers whose first answer came after that of a later one
        highest = 0
        self.broken = None
        self.drained = False
        if not os.path.exists(path):
            return
        with open(path, encoding="ascii") as file:
            for line in file:
                if not line.endswith("\n"):
                    break
                kind, _, rest = line.strip().partition(" ")
                if kind == "x":
                    self.broken = rest
                elif kind == "d":
                    self.drained = True
                elif kind in ("s", "r"):
                    number, moment = rest.split()
                    if kind == "s":
                        self.sent[int(number)] = int(moment) / 1e9
                        continue
                    if int(number) < highest and int(number) not in self.received:
                        self.overtaken.add(int(number))
                    highest = max(highest, int(number))
                    self.received.setdefault(int(number), []).append(int(moment) / 1e9)

    def first_answer(self, after):
        """Milliseconds from `after` to the first answer that came then to something sent then or later; None when
        there is none."""
        answers = [moment for number, moments in self.received.items() if self.sent[number] >= after
                   for moment in moments]
        return round((min(answers) - after) * 1e3, 1) if answers else None

    def window(self, begin, end):
        """Figures of the stretch from begin to end: the longest time without an answer, lost, duplicated, reordered
        (answers that came after the answer to a later request)."""
        arrivals = sorted(moment for moments in self.received.values() for moment in moments if begin <= moment <= end)
        edges = [begin, *arrivals, end]
        numbers = [number for number, moment in self.sent.items() if begin <= moment <= end]
        answers = [len(self.received.get(number, ())) for number in numbers]
        return {
            "longest_gap_ms": round(max(late - early for early, late in zip(edges, edges[1:])) * 1e3, 1),
            "lost": sum(count == 0 for count in answers),
            "duplicated": sum(count - 1 for count in answers if count > 1),
            "reordered": sum(number in self.overtaken for number in numbers),
        }
