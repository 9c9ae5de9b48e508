"""What the lints share: the tree's root, its files, and how a lint reports."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("core", "dht", "tap", "cli", "tests", "docker", "docs")
SKIP = 77  # ctest's SKIP_RETURN_CODE


def files(*suffixes, folders=FOLDERS):
    """Root-relative paths under `folders` with one of the suffixes (all files when none is given), sorted."""
    found = []
    for folder in folders:
        for directory, subdirectories, names in os.walk(os.path.join(ROOT, folder)):
            subdirectories[:] = sorted(name for name in subdirectories if name != "__pycache__")
            for name in sorted(names):
                if not suffixes or name.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(directory, name), ROOT))
    return found


def sources():
    return files(".h", ".cpp")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def finish(problems, checked):
    """Prints the problems and ends the process. A lint that looked at nothing has not passed."""
    if checked == 0:
        problems = problems + ["nothing to check was found: the lint itself is broken"]
    for problem in problems:
        print(problem)
    print(f"{checked} checked, {len(problems)} problems")
    sys.exit(1 if problems else 0)
