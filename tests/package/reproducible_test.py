#!/usr/bin/env python3
"""The same commit gives the same package, octet by octet, whatever the directories are called, without help from a
compiler cache. Two builds: minutes. Usage: reproducible_test.py [--commit COMMIT]"""

import argparse
import filecmp
import os
import sys
import tempfile

import deb


def build(directory, commit):
    """A clone in `directory`, built beside it; the package's path."""
    source, binaries = os.path.join(directory, "source"), os.path.join(directory, "out", "of", "source")
    environment = {**os.environ, "CCACHE_DISABLE": "1"}
    deb.run("git", "clone", "-q", deb.ROOT, source)
    deb.run("git", "-C", source, "checkout", "-q", commit)
    deb.run("cmake", "-S", source, "-B", binaries, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DROVE_TESTS=OFF", env=environment)
    deb.run("cmake", "--build", binaries, "-j", str(len(os.sched_getaffinity(0))), "--target", "rove_packaging",
            env=environment)
    return deb.pack(binaries, os.path.join(directory, "deb"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", default=deb.run("git", "-C", deb.ROOT, "rev-parse", "HEAD").strip())
    options = parser.parse_args()
    deb.need("cmake", "ninja", "cpack", "dpkg-shlibdeps", "git")
    with tempfile.TemporaryDirectory(prefix="rove-first-") as first, \
            tempfile.TemporaryDirectory(prefix="rove-the-second-") as second:
        packages = [build(first, options.commit), build(os.path.join(second, "deeper"), options.commit)]
        same = filecmp.cmp(*packages, shallow=False)
        print(f"{os.path.basename(packages[0])}, {os.path.getsize(packages[0])} octets: "
              f"{'the same twice' if same else 'different'}")
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
