#!/usr/bin/env python3
"""Scripts parse: shellcheck for the shell's, the compiler for Python's."""

import os
import shutil
import subprocess
import sys

import tree


def interpreter(path):
    if path.endswith(".py"):
        return "python"
    with open(os.path.join(tree.ROOT, path), "rb") as file:
        first = file.readline()
    if not first.startswith(b"#!"):
        return "shell" if path.endswith(".sh") else None
    return "python" if b"python" in first else "shell" if b"sh" in first else None


def main():
    problems = []
    shell = []
    paths = tree.files() + [".ci/run"]
    checked = 0
    for path in paths:
        kind = interpreter(path)
        if kind == "python":
            checked += 1
            try:
                compile(tree.read(path), path, "exec")
            except SyntaxError as error:
                problems.append(f"{path}:{error.lineno}: {error.msg}")
        elif kind == "shell":
            checked += 1
            shell.append(path)
    if shutil.which("shellcheck") is None:
        print("shellcheck is not installed")
        sys.exit(tree.SKIP)
    run = subprocess.run(["shellcheck", "--severity=warning", "--external-sources", "--format=gcc", *shell],
                         cwd=tree.ROOT, capture_output=True, text=True, check=False)
    problems += run.stdout.splitlines() + run.stderr.splitlines()
    tree.finish(problems, checked)


main()
