"""What the package tests share: packing, and what a unit file says."""

import os
import shutil
import subprocess
import sys

SKIP = 77
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def need(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; type: docker/install-packages test")


def run(*command, **options):
    """Runs it to its end; what it printed, or an error with all of that."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        shown = " ".join(word for word in command if "\n" not in word)  # not the scripts
        raise RuntimeError(f"{shown}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def pack(build, directory):
    """Makes the package of a build (whose target rove_packaging was built) in `directory`; its path."""
    os.makedirs(directory)
    run("cpack", "-G", "DEB", "-B", directory, cwd=build)
    packages = [name for name in os.listdir(directory) if name.endswith(".deb")]
    if len(packages) != 1:
        raise RuntimeError(f"not one package but {packages}")
    return os.path.join(directory, packages[0])


def read_unit(path):
    """key -> its values, in order; an empty one is kept."""
    values = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, equals, value = line.strip().partition("=")
            if equals and not line.startswith("#"):
                values.setdefault(key, []).append(value)
    return values
