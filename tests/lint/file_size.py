#!/usr/bin/env python3
"""No source file is longer than a reader can keep in mind: 800 lines at most, 120 columns."""

import os

import tree

LINES_MAX = 800
COLUMNS_MAX = 120


def is_script(path):
    full = os.path.join(tree.ROOT, path)
    if "." in os.path.basename(path) or not os.access(full, os.X_OK):
        return False
    with open(full, "rb") as file:
        return file.read(2) == b"#!"


def main():
    problems = []
    paths = [path for path in tree.files() if path.endswith((".h", ".cpp", ".py", ".sh")) or is_script(path)]
    for path in paths:
        lines = tree.read(path).splitlines()
        if len(lines) > LINES_MAX:
            problems.append(f"{path}: {len(lines)} lines, at most {LINES_MAX}")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX and not path.endswith((".h", ".cpp")):  # those are clang-format's
                problems.append(f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
            if line != line.rstrip():
                problems.append(f"{path}:{number}: blanks at the end of the line")
    tree.finish(problems, len(paths))


main()
