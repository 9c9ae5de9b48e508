#!/usr/bin/env python3
"""The top level holds nothing but what a newcomer should see first."""

import os

import tree

ALLOWED = set(tree.FOLDERS) | {
    "CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
    ".ci", ".clang-format", ".clang-tidy", ".dockerignore", ".gitignore", ".git", "build",
}
REQUIRED = ALLOWED - {".git", "build"}


def main():
    present = set(os.listdir(tree.ROOT))
    problems = [f"{name}: does not belong at the top level" for name in sorted(present - ALLOWED)]
    problems += [f"{name}: is missing" for name in sorted(REQUIRED - present)]
    tree.finish(problems, len(present))


main()
