#!/usr/bin/env python3
"""Includes go the way the arrows of the architecture go, and libraries stay where they belong (STYLE: core is
deterministic, dht and tap never include each other, cli is on top; each external library has its few places).

The arrows between folders are those of the link line: rove_part() in CMakeLists.txt.
"""

import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
PART = re.compile(r"^rove_part\(([^\s)]+) ([^\s)]+)\s*([^)]*)\)", re.MULTILINE)

# What core may not include of the system: it has no fd, clock, thread, environment, file or lock.
CORE_FORBIDDEN = re.compile(
    r"^(unistd|fcntl|poll|pthread|time|signal|stdio|sched|netdb|dirent|semaphore)\.h$"
    r"|^(sys|netinet|arpa|net|linux|netlink)/"
    r"|^(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token"
    r"|fstream|iostream|filesystem|random|ctime|csignal|cstdio)$"
)

CORE_EXCEPTIONS = {
    ("core/base/address.cpp", "arpa/inet.h"),  # inet_pton and inet_ntop are pure
    ("core/base/check.cpp", "cstdio"),  # a failed ROVE_CHECK says where, then aborts
}

# Header of an external library -> files that may include it.
LIBRARIES = (
    (r"^opendht", r"^(dht/[^/]+|tests/(unit/dht|sim|bench|fuzz|support)/.*)$"),
    (r"^sodium", r"^(core/crypto/[^/]+\.cpp|tap/[^/]+\.cpp|tests/.*)$"),
    (r"^gnutls/", r"^(core/crypto/aead[^/]*\.cpp|core/identity/[^/]+|dht/[^/]+|tests/.*)$"),
    (r"^intel-ipsec-mb", r"^core/crypto/aead[^/]*\.cpp$"),
    (r"^libtasn1", r"^(core/identity/[^/]+\.cpp|tests/.*)$"),
    (r"^tl/expected", r"^core/base/result\.h$"),
    (r"^msgpack", r"^(core/location/record\.cpp|dht/message_check\.cpp|tests/.*)$"),
    (r"^asio", r"^(cli|tap|tests)/.*$"),
    (r"^(netlink/|linux/(rtnetlink|neighbour|netlink|if_link|if_bridge))", r"^(tap/.*|tests/.*)$"),
    (r"^pcap", r"^tap/packet_capture\.cpp$"),
    (r"^(CLI/|toml|nlohmann/|spdlog/|systemd/)", r"^(cli/.*|tests/.*)$"),
    (r"^boost/", r"^cli/metrics/http_message\.cpp$"),
    (r"^fmt/", r"^(cli|dht|tap|tests)/.*$"),
    (r"^(doctest/|benchmark/|fuzzer/)", r"^tests/.*$"),
)
# Those of them that may not even come along through headers of ours.
HIDDEN = (r"^opendht", r"^sodium", r"^gnutls/", r"^intel-ipsec-mb", r"^libtasn1", r"^msgpack", r"^netlink/", r"^pcap")


def allowed_folders():
    """folder -> the folders it may include: itself and what its library links, transitively."""
    folder_of = {"rove_core": "core/node"}
    direct = {}
    for name, folder, dependencies in PART.findall(tree.read("CMakeLists.txt")):
        folder_of[name] = folder
        direct[folder] = [word for word in dependencies.split() if word.startswith("rove_")]
    closure = {}

    def reach(folder):
        if folder not in closure:
            closure[folder] = {folder}
            for dependency in direct[folder]:
                closure[folder] |= reach(folder_of[dependency])
        return closure[folder]

    for folder in direct:
        reach(folder)
    return closure


def part_of(folder, allowed):
    """The folder of a library that holds the sources of this one: itself or one above; else the folder."""
    return next((part for part in allowed if f"{folder}/".startswith(f"{part}/")), folder)


def leaks(includes):
    """Files that get a hidden library through a header of ours, though they may not include it."""
    reached = {}

    def reach(path):
        if path not in reached:
            reached[path] = set()  # a cycle of includes ends here
            for kind, header in includes.get(path, ()):
                reached[path] |= {header} if kind == "<" else reach(header)
        return reached[path]

    for path in sorted(includes):
        for library, places in LIBRARIES:
            through = sorted(header for header in reach(path) if re.search(library, header))
            if library in HIDDEN and through and not re.search(places, path):
                yield f"{path}: gets <{through[0]}> through a header of ours; may only be included in {places}"


def main():
    allowed = allowed_folders()
    problems = []
    checked = 0
    includes = {}
    sources = tree.sources()
    for path in sources:
        folder = part_of(path.rsplit("/", 1)[0], allowed)
        text = tree.read(path)
        includes[path] = INCLUDE.findall(text)
        own = path.removesuffix(".cpp") + ".h"
        if folder in allowed and own != path and own in sources and includes[path][0] != ('"', own):
            problems.append(f'{path}: "{own}" comes first, so that it is seen to compile alone (CMakeLists.txt)')
        for kind, header in includes[path]:
            checked += 1
            line = text[: text.index(header)].count("\n") + 1
            where = f"{path}:{line}"
            if kind == '"':
                target = part_of(header.rsplit("/", 1)[0], allowed) if "/" in header else ""
                if header == "rove_version.h":
                    if not path.startswith("cli/"):
                        problems.append(f"{where}: only cli includes rove_version.h")
                elif target.split("/")[0] not in tree.FOLDERS:
                    problems.append(f'{where}: "{header}" is not root-relative')
                elif folder in allowed and target not in allowed[folder]:
                    problems.append(f"{where}: {folder} may not include {target}: its library does not link it")
                continue
            excepted = (path, header) in CORE_EXCEPTIONS
            if folder.startswith("core/") and CORE_FORBIDDEN.search(header) and not excepted:
                problems.append(f"{where}: core may not include <{header}>")
            for library, places in LIBRARIES:
                if re.search(library, header) and not re.search(places, path):
                    problems.append(f"{where}: <{header}> may only be included in {places}")
    problems += leaks(includes)
    for folder, reachable in allowed.items():
        forbidden = {"core": ("dht", "tap", "cli"), "dht": ("tap", "cli"), "tap": ("dht", "cli")}
        for target in reachable:
            if target.split("/")[0] in forbidden.get(folder.split("/")[0], ()):
                problems.append(f"CMakeLists.txt: {folder} links {target}, against the direction of the layers")
    tree.finish(problems, checked)


main()
