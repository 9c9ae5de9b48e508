#!/usr/bin/env python3
"""Relative links between the documents lead somewhere."""

import os
import re

import tree

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main():
    problems = []
    checked = 0
    for path in tree.files(".md") + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]:
        for target in LINK.findall(tree.read(path)):
            if "://" in target or target.startswith("mailto:"):
                continue
            checked += 1
            if not os.path.exists(os.path.join(tree.ROOT, os.path.dirname(path), target)):
                problems.append(f"{path}: {target} does not exist")
    tree.finish(problems, checked)


main()
