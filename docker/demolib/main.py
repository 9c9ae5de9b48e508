"""docker/demo's driver: builds rove, sets up the lab, moves a guest around and prints what the clients saw."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import docker_engine
import sites
from compose_lab import PROGRAMS, ComposeGuest, ComposeLab, ComposeOverlay
from experiment import Experiment, columns, route, table
from guest_image import GuestImage
from other_overlays import OTHERS
from overlay import RoveOverlay

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build", "release")
DESCRIPTION = """\
Shows a virtual machine that moves between three sites and keeps its connections.

Three sites in different subnets and a bootstrap node, all network namespaces of this machine, 10 ms apart one way;
a QEMU guest is live-migrated a → b → c → a while a client at each site pings it every 10 ms and a TCP connection
from c sends it a numbered line every 10 ms. The bootstrap node's daemon is killed after the first move.

With --compose the same in containers (docker/compose.yml); what moves is a container, whose network interface is taken
from one host's bridge and put into another's. Docker is started if it does not run, and stopped at the end.
"""
EPILOG = "Exit status: 0 when no connection broke, no data was lost and every lookup came right; else 1."


class Stopped(BaseException):
    """SIGINT or SIGTERM."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def stop(number, _frame):
    raise Stopped(number)


class Progress:
    def __init__(self):
        self._begin = time.monotonic()

    def __call__(self, text):
        print(f"[{time.monotonic() - self._begin:6.1f} s] {text}", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="docker/demo", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=3, metavar="N", help="how many moves (3)")
    parser.add_argument("--compose", action="store_true", help="in containers, by docker-compose")
    parser.add_argument("--prebuilt", metavar="DIR", help="with --compose: take the programs of this build folder, "
                        "which must fit Debian 12, instead of compiling them in the image")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--keep", action="store_true", help="leave everything running and say how to play with it")
    parser.add_argument("--stop", action="store_true", help="take down what --keep, or a killed run, left running")
    # Something else in rove's place: what hypervisor and guest cost by themselves.
    parser.add_argument("--overlay", choices=("rove", *OTHERS), default="rove", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.moves < 1:
        parser.error("--moves needs at least 1")
    if arguments.compose and arguments.overlay != "rove":
        parser.error("--compose runs rove only")
    if arguments.prebuilt and not arguments.compose:
        parser.error("--prebuilt goes with --compose only")
    for program in PROGRAMS if arguments.prebuilt else ():
        if not os.path.exists(os.path.join(arguments.prebuilt, program)):
            parser.error(f"--prebuilt {arguments.prebuilt}: there is no {program}; type: cmake --preset release && "
                         "cmake --build build/release --target rove wan_emulator")
    if arguments.json and not os.path.isdir(os.path.dirname(os.path.abspath(arguments.json))):
        parser.error(f"--json {arguments.json}: there is no such directory")
    return arguments


def build(say, *targets):
    """Builds the targets with the release preset; ccache and ninja make it short the second time."""
    say(f"building {' and '.join(targets)} in build/release (minutes, the first time)")
    os.makedirs(BUILD, exist_ok=True)
    log = os.path.join(BUILD, "demo-build.log")
    with open(log, "w", encoding="utf-8") as output:
        for command in (["cmake", "--preset", "release"], ["cmake", "--build", BUILD, "--target", *targets]):
            if subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False).returncode != 0:
                with open(log, encoding="utf-8", errors="replace") as file:
                    print("".join(file.readlines()[-40:]), file=sys.stderr)
                raise RuntimeError(f"the build failed; all of it is in {os.path.relpath(log, ROOT)}")


def how_to_play(lab, overlay, site):
    print(f"\nLeft running. The guest is at site {site}; its address is {sites.GUEST4}. To play with it, as root:")
    print(f"  {lab.how_to_run('client-c', f'ping {sites.GUEST4}')}")
    for line in lab.how_to_move():
        print(f"  {line}")
    if overlay.has_lookup:
        scripts = {host: overlay.shortcut(host) for host in sites.HOSTS}
        for verb in (f"lookup {sites.GUEST4}", "peers", "vms", "status"):
            print(f"  {scripts['b']} {verb}")
        print(f"  ({', '.join(host for host in scripts if host != 'b')} in b's place for the other hosts)")
    print(f"Logs are in {lab.directory}. To take it all down:\n  sudo docker/demo --stop")


def verdict(moves, overlay, broken):
    """Why the demo has failed, or nothing."""
    problems = [f"the TCP connection's data: {broken}"] if broken else []
    for move in moves:
        name = f"move {move['from']} → {move['to']}"
        if not move["tcp_alive"]:
            problems.append(f"{name}: the TCP connection broke")
        if not move["data_intact"]:
            problems.append(f"{name}: the TCP connection's data is not intact")
        if overlay.has_lookup and move["lookup_correct_after_ms"] is None:
            problems.append(f"{name}: rove lookup did not name host {move['to']} at every site")
    return problems


def show(lab, overlay, experiment, arguments, say):
    """The whole show; returns what went wrong, and where the guest ended up."""
    lab.build(overlay.wan_commands)
    say(f"starting the overlay ({arguments.overlay})")
    overlay.start()
    experiment.boot()
    moves = []
    for number, target in enumerate(route(arguments.moves), 1):
        moves.append(experiment.move(target))
        if overlay.has_lookup:
            answer = overlay.rove("b", "lookup", sites.GUEST4, check=False)
            print(f"  at b: rove lookup {sites.GUEST4}")
            rows = [line.split("\t") for line in answer.stdout.splitlines()]
            print("\n".join(f"    {line}" for line in columns(rows)))
        if number == 1:
            overlay.kill_bootstrap(say)
    broken = experiment.finish()
    print("\n" + table(moves))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "moves": moves}, file, indent=2)
            file.write("\n")
    return verdict(moves, overlay, broken), experiment.guest.site


def in_namespaces(arguments, say):
    """(lab, overlay, experiment) in network namespaces, with a QEMU guest."""
    subprocess.run([os.path.join(ROOT, "docker", "install-packages"), "build", "run", "demo"], check=True)
    build(say, "wan_emulator", *(["rove"] if arguments.overlay == "rove" else []))
    image = GuestImage(say)
    lab = sites.Lab(f"rove{os.getpid()}", os.path.join(BUILD, "tests", "support", "wan_emulator"))
    overlay = RoveOverlay(lab, os.path.join(BUILD, "rove")) if arguments.overlay == "rove" else \
        OTHERS[arguments.overlay](lab)
    return lab, overlay, Experiment(lab, overlay, image, say)


def in_containers(arguments, say):
    """(lab, overlay, experiment) in containers."""
    docker_engine.install(say)
    lab = ComposeLab(f"compose{os.getpid()}", say, arguments.prebuilt)
    overlay = ComposeOverlay(lab)
    return lab, overlay, Experiment(lab, overlay, None, say, guest=ComposeGuest(lab))


def run(arguments):
    say = Progress()
    lab, overlay, experiment = (in_containers if arguments.compose else in_namespaces)(arguments, say)
    keep = False
    try:
        problems, site = show(lab, overlay, experiment, arguments, say)
        keep = arguments.keep
        for problem in problems:
            print(f"docker/demo: {problem}", file=sys.stderr)
        if keep:
            lab.leave_running()
            how_to_play(lab, overlay, site)
        return 1 if problems else 0
    finally:
        if not keep:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say("cleaning up")
            lab.close()


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0:
        print("docker/demo: needs root for network namespaces and TAP devices; type: sudo docker/demo",
              file=sys.stderr)
        return 1
    if arguments.stop:
        for name in sites.abandoned():
            print(f"taking down {name}")
            sites.remove(name)
        return 0
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        return run(arguments)
    except Stopped as stopped:
        print("docker/demo: stopped", file=sys.stderr)
        return 128 + stopped.number
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"docker/demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
