#!/usr/bin/env python3
"""Migrations of a QEMU guest that do not end as planned, or in another order: cancelled, rolled back, post-copy, many
in a row. Each ends with one right owner everywhere. The hosts have different numbers of workers.
Usage: orders_test.py ROVE WAN_EMULATOR [--moves N] [--replay MODE]"""

import argparse
import json
import time

import lab_test
import sites
from guest import BANDWIDTH_LOW

WORKERS = {"a": 1, "b": 2, "c": 3}

CASE = ("cancelled", "rolled back by a target that never ran", "rolled back from a running target", "post-copy")
# Pings that were answered twice. A guest that went on at the target and then goes on at the source too answers in both
# places what had reached its memory or its port's queue when it was stopped: each of the two has had it once. That is
# at most what comes during a pause.
DUPLICATED_MAX = 0
DUPLICATED_OF_TWO_RUNS_MAX = 150
# What may be lost when the guest never stops: the machine is shared.
CANCELLED_LOST = 3
TELL_GAP_MS = 500
# How much a daemon's resident memory may grow in a series of moves, after the first two.
GROWTH_KIB = 2048


def counts(experiment, begin, end):
    """site -> the figures of its pings in that stretch."""
    return {site: probe.record().window(begin, end) for site, probe in experiment.pings.items()}


def check_duplicates(checks, experiment, begin, what, limit=DUPLICATED_MAX):
    time.sleep(0.5)
    figures = counts(experiment, begin, time.time() - 0.4)
    lost, duplicated = (sum(own[count] for own in figures.values()) for count in ("lost", "duplicated"))
    gaps = ", ".join(f"client-{site} {own['longest_gap_ms']:.0f}" for site, own in figures.items())
    checks.check(duplicated <= limit, f"{what}: {duplicated} pings answered twice (≤ {limit}); {lost} lost; "
                                      f"longest gaps: {gaps} ms")
    return lost


def cancelled(checks, overlay, experiment):
    """The target's QEMU waits, its TAP is up, memory flows; then the operator changes his mind."""
    guest = experiment.guest
    begin = time.time()
    new = guest.incoming("b")
    guest.begin("b", BANDWIDTH_LOW)
    guest.instance.qmp.wait_event("MIGRATION", 20, lambda data: data["status"] == "active")
    time.sleep(1)
    guest.instance.qmp.command("migrate_cancel")
    guest.instance.qmp.wait_event("MIGRATION", 20, lambda data: data["status"] == "cancelled")
    guest.discard(new)
    lab_test.check_answers(checks, experiment, CASE[0])
    lab_test.check_owner(checks, overlay, "a", CASE[0])
    lost = check_duplicates(checks, experiment, begin, CASE[0])
    checks.check(lost <= CANCELLED_LOST, f"{CASE[0]}: {lost} pings lost (≤ {CANCELLED_LOST})")


def rolled_back(checks, overlay, experiment, runs):
    """The guest has arrived at the target, and was announced there; then it goes on at the source after all. As by
    libvirt when the target fails before the guest is started there, and (`runs`) when it had run for a while."""
    what = CASE[2 if runs else 1]
    guest = experiment.guest
    begin = time.time()
    new = guest.incoming("b", *([] if runs else ["-S"]))
    guest.begin("b")
    source = guest.instance.qmp
    source.wait_event("MIGRATION", 120, lambda data: data["status"] == "completed")
    time.sleep(0.3)
    if runs:
        new.qmp.command("stop")
    else:
        checks.check(new.qmp.command("query-status")["running"] is False, f"{what}: it does not run at the target")
    back = time.time()
    source.command("cont")
    guest.discard(new)
    lab_test.check_answers(checks, experiment, what, back)
    for site, probe in experiment.pings.items():
        checks.say(f"       client-{site}: first answer {probe.record().first_answer(back)} ms after `cont`")
    lab_test.check_owner(checks, overlay, "a", what)
    check_duplicates(checks, experiment, begin, what, DUPLICATED_OF_TWO_RUNS_MAX if runs else DUPLICATED_MAX)


def postcopy(checks, overlay, experiment, target):
    begin = time.time()
    move = experiment.guest.migrate(target, postcopy=True)
    lab_test.check_answers(checks, experiment, CASE[3], move.resumed)
    lab_test.check_owner(checks, overlay, target, CASE[3])
    check_duplicates(checks, experiment, begin, CASE[3])


def series(checks, overlay, experiment, moves):
    """Back and forth between two sites, one move after the other."""
    what = f"{moves} moves in a row"
    sizes, stopped, begin = {}, [], time.time()
    for number in range(moves):
        stopped.append(experiment.guest.migrate("b" if experiment.guest.site == "a" else "a").stopped)
        if number == 1:
            sizes = {host: overlay.resident_kib(host) for host in sites.HOSTS}
    lab_test.check_answers(checks, experiment, what)
    lab_test.check_owner(checks, overlay, experiment.guest.site, what)
    figures = counts(experiment, begin, time.time() - 0.5)
    checks.say(f"       {what}: lost {[own['lost'] for own in figures.values()]}, duplicated "
               f"{[own['duplicated'] for own in figures.values()]}, longest gap "
               f"{max(own['longest_gap_ms'] for own in figures.values()):.0f} ms")
    for number, (early, late) in enumerate(zip(stopped, [*stopped[1:], time.time() - 0.5]), 1):
        figures = counts(experiment, early - 0.1, late - 0.1)
        gaps = {site: round(own["longest_gap_ms"]) for site, own in figures.items()}
        if max(gaps.values()) > TELL_GAP_MS:
            checks.say(f"       {what}: after move {number} the longest gaps were {gaps} ms")
    growth = {host: overlay.resident_kib(host) - sizes[host] for host in sites.HOSTS}
    checks.check(max(growth.values()) <= GROWTH_KIB,
                 f"{what}: the daemons grew by {growth} KiB after the second (≤ {GROWTH_KIB})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", nargs=2)
    parser.add_argument("--moves", type=int, default=6, help="of the series, at least 2 (6)")
    parser.add_argument("--replay", choices=("exact", "off", "at-least-once"), help="that key of rove's configuration")
    parser.add_argument("--no-watch", action="store_true", help="without rove watch-qemu beside each QEMU")
    arguments = parser.parse_args()
    lab_test.require()
    checks = lab_test.Checks()
    with lab_test.running_lab("rvo", checks, arguments.replay, not arguments.no_watch,
                              WORKERS) as (lab, overlay, experiment):
        for site, number in WORKERS.items():
            status = json.loads(overlay.rove(site, "status", "--json").stdout)
            checks.check(status["host"]["workers"] == number, f"{site} has {number} workers")
        experiment.boot_guest()
        experiment.start_pings()
        lab_test.make_known6(checks, lab)
        cancelled(checks, overlay, experiment)
        rolled_back(checks, overlay, experiment, runs=False)
        rolled_back(checks, overlay, experiment, runs=True)
        postcopy(checks, overlay, experiment, "b")
        series(checks, overlay, experiment, max(2, arguments.moves))
    checks.finish()


main()
