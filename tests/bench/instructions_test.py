#!/usr/bin/env python3
"""instructions counts every piece, and the turns of a worker, which is a thread of its own with real sockets, as often
as it is asked to: the same figure twice. How large the figures are it does not ask.
Usage: instructions_test.py ROVE_MICRO
"""

import json
import os
import subprocess
import sys
import tempfile

INSTRUCTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions")
TURNS = [f"turn_{way}/{frames}/chacha20poly1305" for way in ("out", "in") for frames in ("superframes", "small")]
PIECE_OF = {"turn_out/superframes": "seal_superframe", "turn_in/superframes": "open_superframe"}  # the same, alone
TOLERANCE = 0.02


def count(rove_micro, directory, *options):
    path = os.path.join(directory, "figures.json")
    run = subprocess.run([sys.executable, "-B", INSTRUCTIONS, rove_micro, "--json", path, *options], check=False)
    if run.returncode != 0:
        sys.exit(run.returncode)
    with open(path, encoding="utf-8") as file:
        return json.load(file)["workloads"]


def rest(figure):
    return figure["instructions"] - figure["aead"]


def problems_of(first, second):
    for name, figure in first.items():
        if rest(figure) <= 0 or (name.endswith("/chacha20poly1305") and figure["aead"] <= 0):
            yield f"{name}: {figure}"
    for name in TURNS:
        before, after = rest(first[name]), rest(second[name])
        if abs(after / before - 1) > TOLERANCE:
            yield f"{name}: {before:.1f}, then {after:.1f}"
    for turn, piece in PIECE_OF.items():
        whole, part = first[f"{turn}/chacha20poly1305"], first[f"{piece}/chacha20poly1305"]
        if not rest(part) < rest(whole) < 2 * rest(part) or abs(whole["aead"] / part["aead"] - 1) > TOLERANCE:
            yield f"{turn}: {whole}, of which {piece}: {part}"


def main():
    (rove_micro,) = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="rove-instructions-test-") as directory:
        first = count(rove_micro, directory)
        second = count(rove_micro, directory, "--only", ",".join(TURNS))
    problems = list(problems_of(first, second))
    for problem in problems:
        print(f"FAILED {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
