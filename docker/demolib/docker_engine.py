"""Docker: the daemon that runs already, or one of our own; docker-compose; the base image."""

import os
import shutil
import subprocess
import time

import processes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMPOSE_FILE = os.path.join(ROOT, "docker", "compose.yml")
PROJECT = "rove-demo"
BASE = "debian:bookworm-slim"
# Of our own daemon: images stay for the next time, all else goes with it.
DATA = "/var/cache/rove-demo/docker"
RUN = "/run/rove-demo-docker"
SOCKET = f"unix://{RUN}/docker.sock"
READY_S, END_S = 60.0, 30.0
# As Debian's own slim image: no documentation but the licences.
DPKG_OPTIONS = ("force-unsafe-io", "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright",
                "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*")


def install(say):
    """Installs Debian's docker.io and docker-compose unless there is a Docker already."""
    if compose_command() and (shutil.which("dockerd") or answers(None)):
        return
    say("installing Docker")
    install_packages("docker")


def install_packages(group):
    subprocess.run([os.path.join(ROOT, "docker", "install-packages"), group], check=True)


def compose_command():
    """["docker-compose"] or ["docker", "compose"], or None without either."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True,
                                                 check=False).returncode == 0:
        return ["docker", "compose"]
    return None


def environment(host):
    """`host`: DOCKER_HOST, or None for the usual one. Images are built by the classic builder, which every Docker
    has."""
    variables = dict(os.environ)
    if compose_command() == ["docker-compose"]:
        variables.update(DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0")
    if host:
        variables["DOCKER_HOST"] = host
    return variables


def answers(host):
    return subprocess.run(["docker", "info"], env=environment(host), capture_output=True, check=False).returncode == 0


class Engine:
    """docker and docker-compose commands to one daemon. `process` is the daemon, if it is our own."""

    def __init__(self, host, process=None):
        self.host, self.process = host, process

    def docker(self, *arguments, check=True, timeout=60):
        result = subprocess.run(["docker", *map(str, arguments)], env=environment(self.host), capture_output=True,
                                text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
        return checked(result) if check else result

    def compose(self, *arguments, variables=None, log=None):
        """Runs docker-compose for the project; its output goes to the file `log`, or is captured."""
        command = [*compose_command(), "--project-name", PROJECT, "--file", COMPOSE_FILE, *arguments]
        options = {"env": {**environment(self.host), **(variables or {})}, "text": True, "check": False,
                   "stdin": subprocess.DEVNULL, "cwd": ROOT}
        if log is None:
            return checked(subprocess.run(command, capture_output=True, **options))
        with open(log, "a+", encoding="utf-8", errors="replace") as file:
            result = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, **options)
            if result.returncode != 0:
                file.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(file.readlines()[-30:])}")
        return result

    def command_line(self, *arguments):
        """What one types for docker-compose ARGUMENTS."""
        prefix = [f"DOCKER_HOST={self.host}"] if self.host else []
        return " ".join([*prefix, *compose_command(), "-p", PROJECT, "-f", os.path.relpath(COMPOSE_FILE), *arguments])

    def running(self):
        """Ids of the project's containers."""
        return self.docker("ps", "-q", "--filter", f"label=com.docker.compose.project={PROJECT}").stdout.split()

    def container(self, service):
        """The id of a service's container."""
        ids = self.docker("ps", "-q", "--filter", f"label=com.docker.compose.project={PROJECT}", "--filter",
                          f"label=com.docker.compose.service={service}").stdout.split()
        if len(ids) != 1:
            raise RuntimeError(f"container {service} does not run:\n"
                               + self.compose("logs", "--tail", "20", service).stdout)
        return ids[0]

    def down(self):
        self.compose("down", "--volumes", "--timeout", "5")


def checked(result):
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(result.args[:6])} … ended with {result.returncode}:\n"
                           f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result


def start_daemon(log):
    """A dockerd of our own, for one that has no other. It changes nothing at the machine but what compose.yml asks
    for: no packet filter, no forwarding, no default bridge."""
    if answers(SOCKET):
        raise RuntimeError("the Docker of an earlier run is still there; type: sudo docker/demo --stop")
    os.makedirs(DATA, mode=0o711, exist_ok=True)
    remove_run_directory()
    os.makedirs(RUN, mode=0o700, exist_ok=True)
    return processes.Process(
        None, ["dockerd", "--host", SOCKET, "--data-root", DATA, "--exec-root", f"{RUN}/exec", "--pidfile",
               f"{RUN}/docker.pid", "--iptables=false", "--ip-forward=false", "--bridge=none"], log)


def wait_daemon(process):
    deadline = time.monotonic() + READY_S
    while not answers(SOCKET):
        if not process.running or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd does not start:\n{process.last_lines()}")
        time.sleep(0.2)


def take_down(state):
    """Ends what a run left: its containers, networks and volumes, and the daemon if it was its own."""
    engine = Engine(state["host"])
    if answers(engine.host):
        engine.down()
    if state["pid"] is not None:
        processes.end(state["pid"], state["started"], patience=END_S)
        remove_run_directory()


def remove_run_directory():
    """dockerd leaves the mount of a network namespace behind."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file]
    for path in reversed(mounts):
        if path.startswith(f"{RUN}/"):
            subprocess.run(["umount", path], check=False)
    shutil.rmtree(RUN, ignore_errors=True)


def provide_base(engine, directory, say):
    """Makes the base image where nothing can be pulled: Debian's essential packages, from where apt gets them. Only
    into a daemon of our own; another's images are not ours to name."""
    if engine.docker("image", "inspect", BASE, check=False).returncode == 0 or engine.process is None:
        return
    say(f"making {BASE} with mmdebstrap")
    install_packages("base-image")
    options = [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    log = os.path.join(directory, "mmdebstrap.log")
    with open(log, "w", encoding="utf-8") as errors, subprocess.Popen(
            ["mmdebstrap", "--variant=minbase", *options, "bookworm", "-", *apt_sources()], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors) as maker:
        imported = subprocess.run(["docker", "import", "--change", 'CMD ["bash"]', "-", BASE], stdin=maker.stdout,
                                  env=environment(engine.host), capture_output=True, text=True, check=False)
    if maker.returncode != 0:
        engine.docker("image", "rm", BASE, check=False)
        with open(log, encoding="utf-8", errors="replace") as file:
            raise RuntimeError(f"mmdebstrap failed:\n{''.join(file.readlines()[-10:])}")
    checked(imported)


def apt_sources():
    """Where apt gets Debian 12 from, as lines of sources.list; none where it does not say so, for Debian's own."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages",
                             "Origin: Debian"], capture_output=True, text=True, check=False).stdout
    return [f"deb {line} main" for line in sorted(set(listed.splitlines())) if line.split()[-1].startswith("bookworm")]
