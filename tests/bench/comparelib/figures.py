"""What the rounds say: medians, the tables, the bounds that rove is held against."""

import statistics

SUBJECT, REFERENCE = "rove", "vxlan"
# name, head of the column, digits after the point
COLUMNS = (
    ("tcp_gbps", "TCP Gb/s", 2), ("reverse_gbps", "reverse", 2), ("tcp8_gbps", "8 TCP", 2),
    ("cpu_s_per_gb", "CPU s/GB", 2), ("rtt_us", "RTT µs", 0), ("rtt_p99_us", "p99 µs", 0),
    ("rtt_awake_us", "awake RTT", 0), ("rtt_p99_loaded_us", "loaded p99", 0),
    ("udp64_pps", "64 B/s", 0), ("udp64_device_pps", "at device", 0),
    ("udp1400_pps", "1400 B/s", 0), ("udp1400_device_pps", "at device", 0), ("rss_rest_mib", "rest MiB", 1),
    ("rss_mib", "MiB", 1),
)
# Against systems in user space that encrypt, one stream of TCP.
TIMES_FASTER = {"wireguard-go": 8, "wireguard-go-new": 2.3, "tinc": 8, "nebula": 8, "n2n": 8}
TCP_SHARE = {"on": 0.48, "off": 0.7, "gro": 0.7}  # of the reference's, by the wire's offloads
CPU_TIMES, RTT_US, LOADED_US = 3, 110, 2000


def summarize(rounds):
    """{figure: median, …, "min": {…}, "max": {…}, "rounds": rounds} of one system's rounds."""
    summary = {"min": {}, "max": {}}
    for name in sorted({name for figures in rounds for name in figures}):
        values = [figures[name] for figures in rounds if name in figures]
        summary[name] = statistics.median(values)
        summary["min"][name], summary["max"][name] = min(values), max(values)
    return {**summary, "rounds": rounds}


def tables(systems):
    """Medians, the same as multiples of the reference's, and smallest and largest."""
    columns = [column for column in COLUMNS if any(column[0] in figures for figures in systems.values())]
    parts = [_table("median of the rounds", systems, columns, lambda figures, name, digits:
                    _number(figures.get(name), digits), with_mtu=True)]
    if REFERENCE in systems:
        reference = systems[REFERENCE]
        ratio = lambda figures, name, digits: (
            _number(figures[name] / reference[name], 2) if figures.get(name) and reference.get(name) else "–")
        parts.append(_table(f"median, as a multiple of {REFERENCE}'s", systems,
                            [column for column in columns if column[0] in reference], ratio))
    if any(len(figures["rounds"]) > 1 for figures in systems.values()):
        spread = lambda figures, name, digits: (
            f"{_number(figures['min'][name], digits)}…{_number(figures['max'][name], digits)}"
            if name in figures["min"] else "–")
        parts.append(_table("smallest … largest of the rounds", systems,
                            [column for column in columns if column[0] != "rss_rest_mib"], spread))
    return "\n\n".join(parts)


def _number(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def _table(title, systems, columns, cell, with_mtu=False):
    rows = [[title, *(["MTU"] if with_mtu else []), *(head for _, head, _ in columns)]]
    for name, figures in systems.items():
        rows.append([name, *([str(figures["mtu"])] if with_mtu else []),
                     *(cell(figures, key, digits) for key, _, digits in columns)])
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) if index == 0 else text.rjust(width)
                               for index, (text, width) in enumerate(zip(row, widths))) for row in rows)


def check(systems, wire):
    """[(holds, sentence)], one for each bound."""
    own, reference = systems[SUBJECT], systems[REFERENCE]
    share = TCP_SHARE[wire]
    results = [_at_least("tcp", own.get("tcp_gbps"), share, reference.get("tcp_gbps"), REFERENCE, "Gb/s", 2)]
    for name, times in TIMES_FASTER.items():
        if name in systems:
            results.append(_at_least("tcp", own.get("tcp_gbps"), times, systems[name].get("tcp_gbps"), name, "Gb/s", 2))
    results.append(_at_most("CPU", own.get("cpu_s_per_gb"), CPU_TIMES, reference.get("cpu_s_per_gb"), REFERENCE))
    results.append(_at_least("64-octet datagrams", own.get("udp64_pps"), 1, reference.get("udp64_pps"), REFERENCE,
                             "a second", 0))
    results.append(_below("round trip", own.get("rtt_us"), RTT_US))
    results.append(_below("99th percentile of the round trip beside a TCP flow", own.get("rtt_p99_loaded_us"),
                          LOADED_US))
    return results


def _at_least(what, value, times, other, name, unit, digits):
    holds = value is not None and other is not None and value >= times * other
    return holds, (f"rove: {what}: {_number(value, digits)} {unit} ≥ {times} × {_number(other, digits)} of {name}")


def _at_most(what, value, times, other, name):
    holds = value is not None and other is not None and value <= times * other
    return holds, f"rove: {what}: {_number(value, 2)} s/GB ≤ {times} × {_number(other, 2)} of {name}"


def _below(what, value, bound):
    return value is not None and value <= bound, f"rove: {what}: {_number(value, 0)} µs ≤ {bound}"
