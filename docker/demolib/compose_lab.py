"""The lab of docker/compose.yml: what sites.py, guest.py and overlay.py are for network namespaces, for containers."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import time

import docker_engine
import processes
import sites
from guest import Move
from overlay import RoveOverlay

PROBE_IN_IMAGE = "/usr/local/lib/rove/probe_client.py"
BUILD_FOLDER = "build/image"  # in .dockerignore's exceptions
PROGRAMS = ("rove", "tests/support/wan_emulator")  # in a build folder
HEALTHY_S = 90.0
TUN = "/dev/net/tun"
SERVICES = ("hypervisor", "router", *(f"host-{host}" for host in sites.HOSTS),
            *(f"client-{site}" for site in sites.SITES), "workload")


@contextlib.contextmanager
def tun_for_all():
    """Gives /dev/net/tun the mode that udev gives it, for as long as containers are started, which get it with its
    mode: rove is not root there. (A machine without udev has 0600. It takes CAP_NET_ADMIN to make a device by it.)"""
    mode = stat.S_IMODE(os.stat(TUN).st_mode)
    if mode & 0o006 == 0o006:
        yield
        return
    os.chmod(TUN, 0o666)
    try:
        yield
    finally:
        os.chmod(TUN, mode)


class Probe(processes.Process):
    """A program in a container, started by `docker exec`, which hands on no signals."""

    def __init__(self, engine, container, name, command, output):
        self._engine, self._container, self._pidfile = engine, container, f"/run/{name}.pid"
        started = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', self._pidfile, *map(str, command)]
        super().__init__(None, ["docker", "exec", container, *started], output,
                         docker_engine.environment(engine.host))

    def signal(self, number):
        if self.running:
            self._engine.docker("exec", self._container, "sh", "-c", f"kill -{int(number)} $(cat {self._pidfile})",
                                check=False)

    def kill(self):
        self.signal(signal.SIGKILL)
        if not self.wait(5.0):  # the container has gone
            super().signal(signal.SIGKILL)
            self.wait(5.0)


class ComposeLab(sites.Lab):
    """The containers. With `prebuilt`, a build folder, its rove and wan_emulator are put into the images, instead of
    compiling them there."""

    def __init__(self, name, say, prebuilt=None):
        self._say, self._prebuilt = say, prebuilt
        self._daemon, self.engine = None, None
        self.containers = {}
        super().__init__(name, None)

    def build(self, wan_commands=()):
        assert not wan_commands
        usual = os.environ.get("DOCKER_HOST")
        if docker_engine.answers(usual):
            self.engine = docker_engine.Engine(usual)
        else:
            self._say("starting dockerd")
            self._daemon = docker_engine.start_daemon(self.path("dockerd.log"))
            self._remember()
            docker_engine.wait_daemon(self._daemon)
            self.engine = docker_engine.Engine(docker_engine.SOCKET, self._daemon)
        if self.engine.running():
            engine, self.engine = self.engine, None  # not ours to take down
            raise RuntimeError(f"the containers run already; type: sudo docker/demo --stop\n"
                               f"or: {engine.command_line('down', '--volumes')}")
        self._remember()
        docker_engine.provide_base(self.engine, self.directory, self._say)
        self._build_images()
        self._say("starting the containers")
        with tun_for_all():
            self.engine.compose("up", "--detach", variables={"DELAY": f"{sites.DELAY_MS}ms"},
                                log=self.path("compose.log"))
            self._wait_healthy()

    def _build_images(self):
        variables = {}
        if self._prebuilt:
            self._say("building the images, with the programs that are built already")
            self._copy_programs()
            variables["ROVE_PREBUILT"] = BUILD_FOLDER
        else:
            self._say("building the images, rove in them (minutes, the first time)")
        self.engine.compose("build", variables=variables, log=self.path("images.log"))
        if self._daemon:  # what earlier runs built is only a cache
            self.engine.docker("image", "prune", "--force", "--filter", "until=168h")

    def _copy_programs(self):
        folder = os.path.join(docker_engine.ROOT, BUILD_FOLDER)
        os.makedirs(folder, exist_ok=True)
        for program in PROGRAMS:
            target = os.path.join(folder, os.path.basename(program))
            subprocess.run(["strip", "-o", target, os.path.join(self._prebuilt, program)], check=True)

    def _wait_healthy(self):
        deadline = time.monotonic() + HEALTHY_S
        self.containers = {service: self.engine.container(service) for service in SERVICES}
        while True:
            states = self.engine.docker("inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}",
                                        *self.containers.values()).stdout.splitlines()
            sick = {name: state for name, state in zip(self.containers, states) if state != "running healthy"}
            if not sick:
                return
            if time.monotonic() > deadline or any("exited" in state for state in sick.values()):
                logs = self.engine.compose("logs", "--tail", "15", *sick).stdout
                raise RuntimeError(f"not healthy: {sick}\n{logs}")
            time.sleep(0.5)

    # -- using

    def run(self, namespace, *command, environment=None, timeout=30, check=True):
        variables = [word for name, value in (environment or {}).items() for word in ("--env", f"{name}={value}")]
        return self.engine.docker("exec", *variables, self.containers[namespace], *command, timeout=timeout,
                                  check=check)

    def spawn_probe(self, site, kind, words, path):
        probe = Probe(self.engine, self.containers[f"client-{site}"], f"{kind}-probe",
                      ["python3", "-B", PROBE_IN_IMAGE, *words, "/dev/stdout"], path)
        self._processes.append(probe)
        self._remember()
        return probe

    def how_to_run(self, client, command):
        return self.engine.command_line("exec", client, command)

    def how_to_move(self):
        return [self.engine.command_line("exec", "hypervisor", "vm", "move", "b")]

    # -- taking down

    def _state(self):
        state = super()._state()
        if self._daemon:
            pid = self._daemon.pid
            state["docker"] = {"host": docker_engine.SOCKET, "pid": pid, "started": processes.identity(pid)}
        elif self.engine:
            state["docker"] = {"host": self.engine.host, "pid": None, "started": None}
        return state

    def close(self):
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()
        self._remember()
        sites.remove(self.name)


class ComposeGuest:
    """The workload's container, which `vm move` (docker/lab/vm) takes from bridge to bridge."""

    kind = "a container"

    def __init__(self, lab):
        self._lab = lab

    @property
    def site(self):
        return self._lab.run("hypervisor", "vm", "where").stdout.strip()

    def boot(self, site):
        if self.site != site:
            raise RuntimeError(f"the workload is at {self.site}, not at {site}")

    def migrate(self, target, on_resumed):
        command = ["docker", "exec", self._lab.containers["hypervisor"], "vm", "move", target, "--json"]
        with subprocess.Popen(command, env=docker_engine.environment(self._lab.engine.host), stdout=subprocess.PIPE,
                              text=True) as mover:
            line = mover.stdout.readline()
            if line:
                figures = json.loads(line)
                on_resumed(figures["resumed"])
        if not line or mover.returncode != 0:
            raise RuntimeError(f"vm move {target} ended with {mover.returncode}")
        return Move(figures["from"], figures["to"], figures["stopped"], figures["resumed"], None)


class ComposeOverlay(RoveOverlay):
    """The daemons in the containers, which were started with them."""

    def __init__(self, lab):
        super().__init__(lab, "rove")

    def start(self):
        for host in sites.HOSTS:
            self.rove(host, "wait", "--timeout", "30", timeout=40)

    def environment(self, host):
        return {"NO_COLOR": "1"}

    def shortcut(self, host):
        return self._lab.engine.command_line("exec", f"host-{host}", "rove")

    def kill_daemon(self, host):
        self._lab.engine.docker("kill", "--signal", "KILL", self._lab.containers[f"host-{host}"])
