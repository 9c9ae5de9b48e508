"""A guest on the move while clients talk to it: what happens, and the figures of it."""

import statistics
import threading
import time

import sites
from guest import ECHO_PORT, Guest
from probes import Probe

# Around a move, this stretch is looked at: from before QEMU stops the guest until all should be calm again.
BEFORE_S, AFTER_S = 1.0, 3.0
LATE_S = 1.0  # what has not come back this long after the stretch is lost
TCP_PATIENCE_S = 15.0  # TCP's own retransmissions after a pause come within seconds
LOOKUP_PATIENCE_S = 10.0


class Experiment:
    """boot(), then move() as often as wanted, then finish(). `say` takes a line of progress."""

    def __init__(self, lab, overlay, image, say):
        self._overlay, self._say = overlay, say
        self._lab = lab
        self.guest = Guest(lab, image)
        self.pings, self.tcp = {}, None

    def boot(self, site="a"):
        self._say(f"booting the guest at {site} (QEMU, no KVM)")
        self.guest.boot(site)
        self._say("starting the clients: an echo request every 10 ms each, a numbered line every 10 ms from c")
        for name in sites.SITES:
            self.pings[name] = Probe(self._lab, name, "ping", sites.GUEST4)
        self._wait_answers(self.pings.values())
        self.tcp = Probe(self._lab, "c", "tcp", sites.GUEST4, ECHO_PORT)
        self._wait_answers([self.tcp])

    def _wait_answers(self, probes):
        begin = time.time()
        for probe in probes:
            if not probe.wait_answered(begin, 30):
                raise RuntimeError(f"client-{probe.site} gets no answer from the guest: {probe.record().broken}")

    def move(self, target):
        """Migrates the guest; returns the move's figures in the form of the JSON file."""
        source = self.guest.site
        self._say(f"moving {source} → {target}")
        time.sleep(BEFORE_S)
        found = {}
        watcher = None

        def on_resumed(resumed):
            nonlocal watcher
            watcher = threading.Thread(target=self._watch_lookup, args=(target, resumed, found))
            watcher.start()

        move = self.guest.migrate(target, on_resumed)
        end = move.resumed + AFTER_S
        watcher.join()
        time.sleep(max(0.0, end + LATE_S - time.time()))
        third = next(site for site in sites.SITES if site not in (source, target))
        roles = {"source": source, "target": target, "third": third}
        tcp_alive, data_intact = self._check_tcp(move.resumed, end)
        figures = {
            "from": source,
            "to": target,
            "qemu_downtime_ms": move.qemu_downtime_ms,
            "paused_ms": round(move.paused_ms, 1),
            "clients": {role: self.pings[site].record().window(move.stopped - BEFORE_S, end)
                        for role, site in roles.items()},
            "tcp_alive": tcp_alive,
            "data_intact": data_intact,
            "lookup_correct_after_ms": found.get("after_ms"),
        }
        gaps = ", ".join(f"{role} {figures['clients'][role]['longest_gap_ms']:.0f}" for role in roles)
        self._say(f"moved  {source} → {target}: paused {figures['paused_ms']:.0f} ms; longest gaps in ms: {gaps}")
        return figures

    def _watch_lookup(self, target, resumed, found):
        if self._overlay.has_lookup:
            found["after_ms"] = self._overlay.wait_lookup(target, resumed, LOOKUP_PATIENCE_S)

    def _check_tcp(self, resumed, end):
        """(a line that was sent after the move came back, all lines sent until `end` came back unaltered)."""
        alive = self.tcp.wait_answered(resumed, TCP_PATIENCE_S)
        deadline = time.monotonic() + TCP_PATIENCE_S
        while True:
            record = self.tcp.record()
            complete = all(number in record.received for number, sent in record.sent.items() if sent <= end)
            if complete or record.broken or time.monotonic() > deadline:
                return alive and record.broken is None, complete and record.broken is None
            time.sleep(0.1)

    def finish(self):
        """Ends the probes. Returns why the TCP connection's data is not whole, or None."""
        for probe in [*self.pings.values(), self.tcp]:
            probe.stop()
        record = self.tcp.record()
        return record.broken or (None if record.drained else "the probe ended early")


def route(moves):
    """Targets of a number of moves, starting at a: b, c, a, b, …"""
    return [sites.SITES[(number + 1) % len(sites.SITES)] for number in range(moves)]


def excess(figures):
    """By how much the longest gaps of one move exceed the guest's pause, in ms."""
    return [client["longest_gap_ms"] - figures["paused_ms"] for client in figures["clients"].values()]


def columns(rows):
    """Rows of cells as lines of text in which the cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def table(moves):
    """The figures as text, one row for each move."""
    head = ("move", "QEMU's downtime", "paused", "longest gap", "", "", "lost", "duplicated", "TCP", "data", "lookup")
    under = ("", "ms", "ms", "source", "target", "third", "pings", "pings", "alive", "intact", "right after ms")
    rows = [head, under]
    for move in moves:
        clients = [move["clients"][role] for role in ("source", "target", "third")]
        after = move["lookup_correct_after_ms"]
        rows.append((
            f"{move['from']} → {move['to']}", f"{move['qemu_downtime_ms']}", f"{move['paused_ms']:.0f}",
            *[f"{client['longest_gap_ms']:.0f}" for client in clients],
            "+".join(str(client["lost"]) for client in clients),
            "+".join(str(client["duplicated"]) for client in clients),
            "yes" if move["tcp_alive"] else "NO", "yes" if move["data_intact"] else "NO",
            "–" if after is None else f"{after:.0f}"))
    lines = columns(rows)
    lines.insert(2, "-" * max(len(line) for line in lines))
    over = [value for move in moves for value in excess(move)]
    if over:
        lines.append(f"longest gap beyond the guest's pause: median {statistics.median(over):.0f} ms, "
                     f"worst {max(over):.0f} ms")
    return "\n".join(lines)
