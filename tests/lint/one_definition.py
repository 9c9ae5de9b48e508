#!/usr/bin/env python3
"""No two classes of one namespace have the same name.

Two classes of one name in different files are one class to the linker (C++20 [basic.def.odr]): it keeps either's
inline functions for both, silently.
"""

import collections
import re

import tree

NAMESPACE = re.compile(r"^(?:inline )?namespace\s*([\w:]*)\s*\{")
NAMESPACE_END = re.compile(r"^\}\s*// namespace")
# A definition at the left margin; nested ones (X::Impl) have their own scope, and forward declarations end with ;
DEFINITION = re.compile(r"^(?:class|struct|union|enum class|enum)\s+(?:\[\[\w+\]\]\s*)?(\w+)\b(?!::)[^;]*$")


def classes(path):
    """Names of the classes that the file defines for other files to see."""
    scopes = []
    for line in tree.read(path).splitlines():
        if begin := NAMESPACE.match(line):
            scopes.append(begin[1])
        elif NAMESPACE_END.match(line):
            scopes.pop()
        elif (found := DEFINITION.match(line)) and "" not in scopes:
            yield "::".join([*scopes, found[1]])


def main():
    defined = collections.defaultdict(set)
    for path in tree.files(".h", ".cpp", folders=("core", "dht", "tap", "cli")):
        for name in classes(path):
            defined[name].add(path)
    problems = [f"{name} is defined in {', '.join(sorted(paths))}" for name, paths in defined.items() if len(paths) > 1]
    tree.finish(sorted(problems), len(defined))


main()
