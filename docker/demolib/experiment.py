"""A guest on the move while clients talk to it: what happens, and the figures of it."""

import statistics
import threading
import time

import sites
from guest import ECHO_PORT, Guest
from probes import PERIOD_MS, Probe

# Around a move, this stretch is looked at: from before QEMU stops the guest until all should be calm again.
BEFORE_S, AFTER_S = 1.0, 3.0
LATE_S = 1.0  # what has not come back this long after the stretch is lost
TCP_PATIENCE_S = 15.0  # TCP's own retransmissions after a pause come within seconds
LOOKUP_PATIENCE_S = 10.0


class Experiment:
    """boot(), then move() as often as wanted, then finish(). Or boot_guest(), then for each move start_clients(),
    move() and finish(). `say` takes a line of progress; `period_ms` is that of the echo requests, `tcp_period_ms` that
    of the numbered lines; with `only6` the guest has IPv6 alone; `after_s`: how long after a move its figures go on;
    without `watch_lookup` no processor is busy with lookups during a move; `guest`: what moves, instead of a QEMU
    guest that is made of `image`."""

    def __init__(self, lab, overlay, image, say, *, period_ms=PERIOD_MS, tcp_sites=("c",), tcp_period_ms=PERIOD_MS,
                 only6=False, after_s=AFTER_S, watch_lookup=True, guest=None):
        self._overlay, self._say = overlay, say
        self._lab, self._period_ms, self._tcp_sites, self._after_s = lab, period_ms, tcp_sites, after_s
        self._tcp_period_ms = tcp_period_ms
        self._watches = watch_lookup and overlay.has_lookup
        self.address = sites.GUEST6 if only6 else sites.GUEST4
        self.guest = guest or Guest(lab, image, only6=only6, watch=overlay.watch_qemu)
        self.pings, self.tcps = {}, {}

    def boot(self, site="a"):
        self.boot_guest(site)
        self._say(f"starting the clients: an echo request every {self._period_ms} ms each, a numbered line every "
                  f"{self._tcp_period_ms} ms from {', '.join(self._tcp_sites)}")
        self.start_clients()

    def boot_guest(self, site="a"):
        self._say(f"booting the guest at {site} ({self.guest.kind})")
        self.guest.boot(site)

    def start_clients(self):
        self.start_pings()
        for name in self._tcp_sites:
            self.tcps[name] = Probe(self._lab, name, "tcp", self.address, ECHO_PORT, period_ms=self._tcp_period_ms)
        self._wait_answers(self.tcps.values())

    def start_pings(self):
        for name in sites.SITES:
            self.pings[name] = Probe(self._lab, name, "ping", self.address, period_ms=self._period_ms)
        self._wait_answers(self.pings.values())

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
        end = move.resumed + self._after_s
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
        if self._watches:
            found["after_ms"] = self._overlay.wait_lookup(target, resumed, LOOKUP_PATIENCE_S, self.address)

    def _check_tcp(self, resumed, end):
        """(a line that was sent after the move came back, all lines sent until `end` came back unaltered)."""
        alive = all([probe.wait_answered(resumed, TCP_PATIENCE_S) for probe in self.tcps.values()])
        deadline = time.monotonic() + TCP_PATIENCE_S
        while True:
            records = [probe.record() for probe in self.tcps.values()]
            complete = all(number in record.received for record in records
                           for number, sent in record.sent.items() if sent <= end)
            broken = any(record.broken for record in records)
            if complete or broken or time.monotonic() > deadline:
                return alive and not broken, complete and not broken
            time.sleep(0.1)

    def finish(self):
        """Ends the probes. Returns why a TCP connection's data is not whole, or None."""
        for probe in [*self.pings.values(), *self.tcps.values()]:
            probe.stop()
        for site, probe in self.tcps.items():
            record = probe.record()
            if record.broken or not record.drained:
                return f"client-{site}: {record.broken or 'the probe ended early'}"
        return None


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
        downtime, after = move["qemu_downtime_ms"], move["lookup_correct_after_ms"]
        rows.append((
            f"{move['from']} → {move['to']}", "–" if downtime is None else f"{downtime}", f"{move['paused_ms']:.0f}",
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
