#!/usr/bin/env python3
"""Every source is as clang-format-19 would write it (.clang-format)."""

import os
import shutil
import subprocess
import sys

import tree


def main():
    if shutil.which("clang-format-19") is None:
        print("clang-format-19 is not installed")
        sys.exit(tree.SKIP)
    paths = tree.sources()
    run = subprocess.run(["clang-format-19", "--dry-run", "--ferror-limit=1", *paths], cwd=tree.ROOT,
                         env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False)
    problems = [line for line in run.stderr.splitlines() if "[-Wclang-format-violations]" in line]
    if run.returncode != 0:
        problems.append(run.stderr.strip())
    tree.finish(problems, len(paths))


main()
