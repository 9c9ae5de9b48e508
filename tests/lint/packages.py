#!/usr/bin/env python3
"""docker/packages.txt is true: every name in it is a Debian package, and every external header that a source includes
comes from a package of its groups build or test (or from the compiler and libc, which g++ brings). Names that are for
other architectures than this one ("name [amd64]") are not looked up: they need not exist here."""

import os
import re
import shutil
import subprocess
import sys

import tree

ENTRY = re.compile(r"^([a-z0-9][a-z0-9.+-]*)(?: \[([a-z0-9]+(?: [a-z0-9]+)*)\])?$")
INCLUDE = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.MULTILINE)
SEARCH = ("/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu", "/usr/include/libnl3")
FROM_COMPILER = re.compile(r"^(libc6-dev|linux-libc-dev|libstdc\+\+-\d+-dev|libgcc-\d+-dev|gcc-\d+|libclang-.*)$")
# Packages that the listed ones depend on and whose headers belong to the listed one's interface.
BROUGHT_BY = {"libopendht-c-dev": "libopendht-dev", "libboost1.74-dev": "libboost-dev"}


def groups(architecture):
    """group -> its names for this architecture; and the lines that are neither a group nor a name."""
    found, current, wrong = {}, None, []
    for line in tree.read("docker/packages.txt").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), [])
        elif entry := ENTRY.match(line):
            if entry[2] is None or architecture in entry[2].split():
                current.append(entry[1])
        elif line:
            wrong.append(line)
    return found, wrong


def known(names):
    installed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
                               capture_output=True, text=True, check=False).stdout
    found = {line.split()[0] for line in installed.splitlines() if line.endswith(" installed")}
    missing = sorted(set(names) - found)
    if missing:
        listed = subprocess.run(["apt-cache", "show", "--no-all-versions", *missing], capture_output=True, text=True,
                                check=False).stdout
        found |= {line.split()[1] for line in listed.splitlines() if line.startswith("Package: ")}
    return found


def owners(paths):
    """path -> package, by dpkg's own lists."""
    listing = subprocess.run(["dpkg", "-S", *paths], capture_output=True, text=True, check=False).stdout
    found = {}
    for line in listing.splitlines():
        packages, _, path = line.partition(": ")
        found[path] = {package.split(":")[0] for package in packages.split(", ")}
    return found


def main():
    if shutil.which("dpkg-query") is None:
        print("not a Debian system")
        sys.exit(tree.SKIP)
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                                  check=True).stdout.strip()
    listed, wrong = groups(architecture)
    names = sorted({name for group in listed.values() for name in group})
    problems = [f"docker/packages.txt: neither a group nor NAME [ARCHITECTURE…]: {line}" for line in wrong]
    problems += [f"docker/packages.txt: no such package: {name}" for name in sorted(set(names) - known(names))]

    header_of, user_of = {}, {}
    for path in tree.sources():
        for header in INCLUDE.findall(tree.read(path)):
            user_of.setdefault(header, path)
            for directory in SEARCH:
                full = os.path.join(directory, header)
                if os.path.exists(full):
                    header_of[header] = os.path.realpath(full)
                    break
    owner_of = owners(sorted(set(header_of.values())))
    build, test = set(listed["build"]), set(listed["build"]) | set(listed["test"])
    for header, full in sorted(header_of.items()):
        packages = {BROUGHT_BY.get(package, package) for package in owner_of.get(full, ())}
        if any(FROM_COMPILER.match(package) for package in packages):
            continue
        enough = test if user_of[header].startswith("tests/") else build
        if not packages & enough:
            problems.append(f"{user_of[header]}: <{header}> is in {sorted(packages)}, none of which is listed")
    tree.finish(problems, len(names) + len(user_of))


main()
