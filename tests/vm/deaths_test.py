#!/usr/bin/env python3
"""Daemons and hypervisors that die around a migration of a QEMU guest: the source's daemon in the moment of completion,
with `rove prepare` at the target and without, and with the target's pushes lost too; the target's daemon or QEMU before
and after the announce. Each ends with one right owner everywhere. Usage: deaths_test.py ROVE WAN_EMULATOR"""

import json
import time

import lab_test
import sites
from guest import BANDWIDTH_LOW, MAC

# On a quiet machine frames of the third site reach the target straight within 2 one-way delays + 50 ms of its first
# sign of the guest. Answers take longer: a guest under TCG needs some 60 ms after a move to answer even its neighbour.
GOAL_MS = 2 * sites.DELAY_MS + 50
REACHED_MS = 1000
LOST_S = 0.3  # nothing comes from the target's host to the third site's for so long, from the guest's STOP on
AFTER_ANNOUNCE_S = 0.3


def arrival(overlay, target):
    """When the target's daemon heard the guest first, by the wall clock, and the milliseconds from then to the first
    frame that came straight from its sender."""
    moves = json.loads(overlay.rove(target, "timeline", MAC, "--json").stdout)["moves"]
    move = next(move for move in reversed(moves) if move["kind"] == "moved-here")
    return move["began_ms"] / 1e3, None if move["direct_us"] is None else move["direct_us"] / 1e3


def source_daemon(checks, lab, overlay, experiment, target, prepared=True, push_lost=False):
    """-9 between QEMU's STOP and the target's announce: nobody forwards, nobody redirects."""
    source = experiment.guest.site
    third = next(site for site in sites.SITES if site not in (source, target))
    what = f"source's daemon killed, {source} → {target}{', prepared' if prepared else ''}" \
           f"{f', nothing from {target} to {third} for {LOST_S} s' if push_lost else ''}"

    def kill():
        if push_lost:  # first: the target pushes some 20 ms later
            lab.wan("set", target, third, "loss", "100%")
        overlay.kill_daemon(source)
    if prepared:
        overlay.rove(target, "prepare", MAC)
        time.sleep(1)
        checks.check(overlay.vms(target).get(MAC) == "expected", f"{what}: {target} expects the guest")
    move = experiment.guest.migrate(target, on_stopped=kill)
    if push_lost:
        time.sleep(max(0.0, move.stopped + LOST_S - time.time()))
        lab.wan("set", target, third, "loss", "0%")
    time.sleep(1)
    signal, direct = arrival(overlay, target)
    checks.check(direct is not None and direct < REACHED_MS,
                 f"{what}: frames of client-{third} come straight {direct} ms after the first sign ("
                 f"{'by the DHT' if push_lost else f'goal {GOAL_MS}'}, bound {REACHED_MS})")
    for site in (third, target):
        after = experiment.pings[site].record().first_answer(signal)
        checks.check(after is not None and after < REACHED_MS,
                     f"{what}: client-{site} has an answer {after} ms after the first sign (bound {REACHED_MS}; "
                     f"that came {(signal - move.resumed) * 1e3:.0f} ms after RESUME)")
    overlay.start_daemon(source)
    lab_test.check_answers(checks, experiment, what)
    lab_test.check_owner(checks, overlay, target, what)


def target_daemon(checks, overlay, experiment, target, announced):
    """-9 while the guest is on its way, so that nobody hears the announce; or soon after the announce."""
    what = f"target's daemon killed {'after' if announced else 'before'} the announce"
    if announced:
        experiment.guest.migrate(target)
        time.sleep(AFTER_ANNOUNCE_S)
        overlay.kill_daemon(target)
    else:
        experiment.guest.migrate(target, on_stopped=lambda: overlay.kill_daemon(target))
    here = time.time()
    checks.check(experiment.pings[target].wait_answered(here, 10),
                 f"{what}: client-{target}, beside the guest, reaches it meanwhile")
    overlay.start_daemon(target)
    lab_test.check_answers(checks, experiment, what)
    lab_test.check_owner(checks, overlay, target, what)


def target_qemu(checks, overlay, experiment, target, announced):
    """-9 while memory flows: the source's QEMU goes on by itself. Or after the announce: the operator lets it go on at
    the source, whose QEMU is still there."""
    what = f"target's QEMU killed {'after' if announced else 'before'} the announce"
    guest, source = experiment.guest, experiment.guest.site
    new = guest.incoming(target)
    guest.begin(target, *([] if announced else [BANDWIDTH_LOW]))
    if announced:
        guest.instance.qmp.wait_event("MIGRATION", 120, lambda data: data["status"] == "completed")
        time.sleep(AFTER_ANNOUNCE_S)
        guest.discard(new, kill=True)
        guest.instance.qmp.command("cont")
    else:
        guest.instance.qmp.wait_event("MIGRATION", 20, lambda data: data["status"] == "active")
        time.sleep(AFTER_ANNOUNCE_S)
        guest.discard(new, kill=True)
        guest.instance.qmp.wait_event("MIGRATION", 20, lambda data: data["status"] == "failed")
    back = time.time()
    lab_test.check_answers(checks, experiment, what, back)
    for site, probe in experiment.pings.items():
        checks.say(f"       client-{site}: first answer {probe.record().first_answer(back)} ms after it went on")
    lab_test.check_owner(checks, overlay, source, what)


def main():
    lab_test.require()
    checks = lab_test.Checks()
    with lab_test.running_lab("rvd", checks) as (lab, overlay, experiment):
        experiment.boot_guest()
        experiment.start_pings()
        lab_test.make_known6(checks, lab)
        source_daemon(checks, lab, overlay, experiment, "b", prepared=False)
        source_daemon(checks, lab, overlay, experiment, "c")
        source_daemon(checks, lab, overlay, experiment, "a")
        source_daemon(checks, lab, overlay, experiment, "b", push_lost=True)
        target_daemon(checks, overlay, experiment, "c", announced=False)
        target_daemon(checks, overlay, experiment, "a", announced=True)
        target_qemu(checks, overlay, experiment, "b", announced=False)
        target_qemu(checks, overlay, experiment, "b", announced=True)
    checks.finish()


main()
