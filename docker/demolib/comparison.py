"""The same moves over several overlays, one after the other in turn, and what the figures say."""

import statistics

import sites
from experiment import Experiment, columns

ROLES = ("source", "target", "third")
COUNTS = ("lost", "duplicated", "reordered")
PING_PERIOD_MS = 5
# What the best network can do, and the one that is measured against it, in one row.
REFERENCE, SUBJECT = "switch", "rove"
# The bounds of `check`: in 19 of 20 moves nothing is lost, and nothing duplicated, and never more than one; the gap
# beyond the pause exceeds the reference's by so much: median over median, and 9th decile over 9th decile. (Move against
# move of the same number, two equal systems differ by more: the noise of either counts.)
CLEAN_MOVES = 0.95
WORST_COUNT = 1
OVER_MEDIAN_MS, OVER_P90_MS = 10, 30


class Contender:
    """An overlay in a lab of its own, with a guest that moves about there."""

    def __init__(self, name, lab, overlay, image, say, *, only6, after_s, tcp_period_ms):
        self.name, self.lab, self.overlay = name, lab, overlay
        self._experiment = Experiment(lab, overlay, image, lambda text: say(f"{name}: {text}"),
                                      period_ms=PING_PERIOD_MS, tcp_sites=sites.SITES,
                                      tcp_period_ms=tcp_period_ms, only6=only6, after_s=after_s,
                                      watch_lookup=False)

    def start(self):
        self.lab.build(self.overlay.wan_commands)
        self.overlay.start()
        self._experiment.boot_guest()

    def move(self, number, target):
        """One move, with clients that live only as long: the other contenders' have the machine for themselves."""
        self._experiment.start_clients()
        figures = self._experiment.move(target)
        broken = self._experiment.finish()
        figures.update(system=self.name, number=number, tcp_broken=broken)
        if self.overlay.has_lookup:
            after = self.overlay.wait_lookup(target, 0, 10, self._experiment.address)
            figures["lookup_correct"] = after is not None
        return figures


def route(moves):
    """Targets of a number of moves from a, every pair of sites in both directions: b, c, a, c, b, a, b, …"""
    return [("b", "c", "a", "c", "b", "a")[number % 6] for number in range(moves)]


def total(move, count):
    return sum(move["clients"][role][count] for role in ROLES)


def lost_beyond_pause(moves):
    """Of all moves and clients, without those that were sent in the guest's pauses: what is in these is the
    hypervisor's, and a network that keeps nothing loses it."""
    return sum(total(move, "lost") - len(ROLES) * move["paused_ms"] / PING_PERIOD_MS for move in moves)


def beyond_pause(moves, role):
    """The longest gap of each move less the guest's pause, in ms."""
    return [move["clients"][role]["longest_gap_ms"] - move["paused_ms"] for move in moves]


def percentile90(values):
    """The smallest value that 9 of 10 do not exceed."""
    return sorted(values)[-(-9 * len(values) // 10) - 1]


def of_system(moves, system):
    return [move for move in moves if move["system"] == system]


def summarize(moves):
    """system -> figures over all its moves."""
    summary = {}
    for system in dict.fromkeys(move["system"] for move in moves):
        own = of_system(moves, system)
        paused = [move["paused_ms"] for move in own]
        summary[system] = {
            "moves": len(own),
            "paused_ms": {"median": statistics.median(paused), "worst": max(paused)},
            "roles": {},
            "per_move": {count: [total(move, count) for move in own] for count in COUNTS},
            "tcp_broken": sum(not move["tcp_alive"] or not move["data_intact"] for move in own),
        }
        for role in ROLES:
            beyond = beyond_pause(own, role)
            summary[system]["roles"][role] = {
                "gap_beyond_pause_ms": {"median": round(statistics.median(beyond), 1),
                                        "p90": round(percentile90(beyond), 1), "worst": round(max(beyond), 1)},
                **{count: sum(move["clients"][role][count] for move in own) for count in COUNTS},
            }
    return summary


def table(moves):
    """The figures as text, one row for each system and client."""
    rows = [("system", "moves", "paused", "", "client", "gap less pause, ms", "", "", "lost", "duplicated", "reordered",
             "TCP"),
            ("", "", "median", "worst", "", "median", "p90", "worst", "per move", "per move", "in all", "broken")]
    for system, figures in summarize(moves).items():
        for role in ROLES:
            own = figures["roles"][role]
            gap = own["gap_beyond_pause_ms"]
            paused = figures["paused_ms"]
            first = role == ROLES[0]
            rows.append((
                system if first else "", str(figures["moves"]) if first else "",
                f"{paused['median']:.0f}" if first else "", f"{paused['worst']:.0f}" if first else "", role,
                f"{gap['median']:.0f}", f"{gap['p90']:.0f}", f"{gap['worst']:.0f}",
                f"{own['lost'] / figures['moves']:.2f}", f"{own['duplicated'] / figures['moves']:.2f}",
                str(own["reordered"]), str(figures["tcp_broken"]) if first else ""))
    lines = columns(rows)
    lines.insert(2, "-" * max(len(line) for line in lines))
    for system, figures in summarize(moves).items():
        for count in COUNTS:
            each = " ".join(map(str, figures["per_move"][count]))
            lines.append(f"{system}: {count} in each move, all clients: {each}")
    return "\n".join(lines)


def over_reference(moves, role):
    """How much the subject's gap beyond the pause exceeds the reference's, in ms: the medians, the 9th deciles."""
    subject, reference = (beyond_pause(of_system(moves, system), role) for system in (SUBJECT, REFERENCE))
    if not subject or not reference:
        return None
    return statistics.median(subject) - statistics.median(reference), percentile90(subject) - percentile90(reference)


def sound(moves):
    """[(holds, sentence)] of what holds for every overlay worth the name, in any move."""
    results = []
    for move in moves:
        name = f"{move['system']}, move {move['number']} ({move['from']} → {move['to']})"
        results.append((move["tcp_alive"] and move["data_intact"] and move["tcp_broken"] is None,
                        f"{name}: no TCP connection broke, all data came back ({move['tcp_broken'] or 'intact'})"))
        if "lookup_correct" in move:
            results.append((move["lookup_correct"], f"{name}: rove lookup is right at every site"))
    return results


def check(moves, lossless):
    """[(holds, sentence)] of the bounds above; nothing is lost only if `lossless`, else no more than over the
    reference."""
    own, reference = of_system(moves, SUBJECT), of_system(moves, REFERENCE)
    results = []
    for count in ("lost", "duplicated"):
        counts = [total(move, count) for move in own]
        if count == "lost" and not lossless:
            others = [total(move, count) for move in reference]
            beyond, others_beyond = lost_beyond_pause(own), lost_beyond_pause(reference)
            results.append((sum(counts) <= sum(others),
                            f"{SUBJECT}: lost {sum(counts)} in all, {beyond:.0f} of them not sent in a pause; "
                            f"{REFERENCE}: {sum(others)}, {others_beyond:.0f}"))
            continue
        clean = sum(value == 0 for value in counts)
        results.append((clean >= CLEAN_MOVES * len(own),
                        f"{SUBJECT}: nothing {count} in {clean} of {len(own)} moves (at least {CLEAN_MOVES:.0%})"))
        results.append((max(counts) <= WORST_COUNT,
                        f"{SUBJECT}: at most {max(counts)} {count} in a move (at most {WORST_COUNT})"))
    # The target's own bridge gives its client's new frames to the guest before the replay can be there.
    reordered = sum(move["clients"][role]["reordered"] for move in own for role in ("source", "third"))
    results.append((reordered == 0, f"{SUBJECT}: {reordered} answers reordered at source and third site (none)"))
    for role in ROLES:
        over = over_reference(moves, role)
        if over:
            median, p90 = over
            results.append((median <= OVER_MEDIAN_MS, f"client at the {role}: gap beyond the pause over "
                                                      f"{REFERENCE}'s: median {median:.0f} ms (≤ {OVER_MEDIAN_MS})"))
            results.append((p90 <= OVER_P90_MS, f"client at the {role}: gap beyond the pause over {REFERENCE}'s: "
                                                f"{p90:.0f} ms in 9 of 10 (≤ {OVER_P90_MS})"))
    return results
