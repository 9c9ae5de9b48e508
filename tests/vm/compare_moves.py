#!/usr/bin/env python3
"""The same moves of a QEMU guest over rove and over other overlays, in turn: move k over each, then move k + 1 over
each in the opposite order, so that none always comes after the same other. Every client (at the source, at the target,
at the third site) pings it every 5 ms and sends it lines over TCP. Prints what they saw: the longest gap less the
hypervisor's own pause, and the pings lost, duplicated and reordered.

    compare_moves.py ROVE WAN_EMULATOR --moves 20 --replay exact --check --json figures.json
    compare_moves.py ROVE WAN_EMULATOR --moves 6 --systems rove,switch,vxlan,tinc --after 8
"""

import argparse
import contextlib
import json
import os
import signal

import lab_test
import comparison
import sites
from guest_image import GuestImage
from other_overlays import OTHERS
from overlay import RoveOverlay

# For --smoke, on a machine that is busy with other work.
SMOKE_GAP_BEYOND_PAUSE_MS = 900
SMOKE_DUPLICATED = 1
SMOKE_LOST_MORE = 30  # than the reference in all moves together


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rove", help="the binary")
    parser.add_argument("wan_emulator", help="the binary")
    parser.add_argument("--moves", type=int, default=20, metavar="N", help="over each system (20)")
    parser.add_argument("--systems", default="rove,switch", help=f"of rove, {', '.join(OTHERS)} (rove,switch)")
    parser.add_argument("--ipv6", action="store_true", help="the guest has no IPv4 address")
    parser.add_argument("--replay", choices=("exact", "off", "at-least-once"), help="that key of rove's configuration")
    parser.add_argument("--no-watch", action="store_true", help="without rove watch-qemu beside each QEMU")
    parser.add_argument("--after", type=float, default=3.0, metavar="SECONDS",
                        help="how long after a move its figures go on (3); longer than the longest gap")
    parser.add_argument("--tcp-period", type=float, default=10, metavar="MS",
                        help="of the numbered lines that each client sends by TCP (10)")
    parser.add_argument("--json", metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--check", action="store_true", help="exit status 1 unless rove is as good as it should be")
    parser.add_argument("--smoke", action="store_true", help="the same with wide limits, for a busy machine")
    arguments = parser.parse_args()
    arguments.systems = arguments.systems.split(",")
    unknown = set(arguments.systems) - {"rove", *OTHERS}
    if unknown or len(set(arguments.systems)) != len(arguments.systems):
        parser.error(f"--systems: {', '.join(unknown) or 'one stands there twice'}")
    if arguments.moves < 1:
        parser.error("--moves needs at least 1")
    if (arguments.check or arguments.smoke) and not {"rove", "switch"} <= set(arguments.systems):
        parser.error("--check and --smoke need rove and switch among the systems")
    return arguments


def overlay_of(system, lab, arguments):
    if system == "rove":
        return RoveOverlay(lab, arguments.rove, replay=arguments.replay, watches=not arguments.no_watch)
    return OTHERS[system](lab)


def measure(arguments, checks):
    image = GuestImage(checks.say)
    moves = []
    with contextlib.ExitStack() as stack:
        contenders = []
        for number, system in enumerate(arguments.systems):
            lab = sites.Lab(f"cmp{number}-{os.getpid()}", arguments.wan_emulator)
            stack.callback(lab.close)
            contender = comparison.Contender(system, lab, overlay_of(system, lab, arguments), image, checks.say,
                                             only6=arguments.ipv6, after_s=arguments.after,
                                             tcp_period_ms=arguments.tcp_period)
            contender.start()
            contenders.append(contender)
        # Runs first at the end: nothing else may interrupt the labs' own ends.
        stack.callback(lambda: [signal.signal(which, signal.SIG_IGN) for which in (signal.SIGINT, signal.SIGTERM)])
        for number, target in enumerate(comparison.route(arguments.moves), 1):
            for contender in contenders if number % 2 else reversed(contenders):
                moves.append(contender.move(number, target))
            write(arguments, moves)
    return moves


def write(arguments, moves):
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "ipv6": arguments.ipv6, "replay": arguments.replay,
                       "tcp_period_ms": arguments.tcp_period,
                       "watch": not arguments.no_watch, "moves": moves,
                       "summary": comparison.summarize(moves)}, file, indent=2)
            file.write("\n")


def smoke(moves):
    """[(holds, sentence)] with limits that only a fault exceeds."""
    own = comparison.of_system(moves, comparison.SUBJECT)
    results = []
    for role in comparison.ROLES:
        worst = max(comparison.beyond_pause(own, role))
        results.append((worst < SMOKE_GAP_BEYOND_PAUSE_MS, f"rove: client at the {role}: longest gap beyond the pause "
                                                           f"{worst:.0f} ms (< {SMOKE_GAP_BEYOND_PAUSE_MS})"))
    duplicated = max(comparison.total(move, "duplicated") for move in own)
    results.append((duplicated <= SMOKE_DUPLICATED,
                    f"rove: at most {duplicated} duplicated in a move (≤ {SMOKE_DUPLICATED})"))
    lost, others = (sum(comparison.total(move, "lost") for move in comparison.of_system(moves, system))
                    for system in (comparison.SUBJECT, comparison.REFERENCE))
    results.append((lost <= others + SMOKE_LOST_MORE,
                    f"rove: lost {lost} in all (switch: {others}; at most {SMOKE_LOST_MORE} more)"))
    return results


def main():
    arguments = parse_arguments()
    lab_test.require()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lab_test.stop)
    checks = lab_test.Checks()
    moves = measure(arguments, checks)
    print(comparison.table(moves))
    for holds, sentence in comparison.sound(moves):
        if arguments.check or arguments.smoke:
            checks.check(holds, sentence)
    if arguments.check:
        for holds, sentence in comparison.check(moves, lossless=arguments.replay != "off"):
            checks.check(holds, sentence)
    if arguments.smoke:
        for holds, sentence in smoke(moves):
            checks.check(holds, sentence)
    if arguments.check or arguments.smoke:
        checks.finish()


main()
