"""The measurements of one system: each returns figures by name, or raises LabError."""

import json
import os
import re
import statistics
import time

import lab

PORT = 5201
STREAMS = 8
PINGS, PING_PERIOD_S = 200, 0.01
# Between these a virtual processor is not taken off its own one yet; behind the others each sleeping thread costs the
# hypervisor's time to bring it back, whatever carries the packets.
AWAKE_PINGS, AWAKE_PERIOD_S = 400, 0.002
# A ping without an answer counts as one that took as long as ping(8) waited for it.
PING_PATIENCE_S = 1
# Payloads: small datagrams, and those that make IP packets of 1400 octets, which fit into every system's MTU.
DATAGRAMS = {"udp64": 64, "udp1400": 1400 - 28}
SILENCE_S = 0.5
SETTLE_S = 0.5  # until a TCP flow has found its rate
PAUSE_S = 0.2  # between measurements: what the one before has left in queues
_REPLY = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms")


class Measurements:
    """`names` says which; measure() takes them one after the other over one system."""

    ALL = ("rtt", "tcp", "reverse", "tcp8", "loaded", "udp64", "udp1400", "memory")

    def __init__(self, seconds, names, udp_blast, congestion):
        """`congestion`: TCP's congestion control; None leaves the kernel's default."""
        self._seconds, self._names, self._udp_blast = seconds, names, udp_blast
        self._congestion = ["-C", congestion] if congestion else []

    def measure(self, system, problem):
        """Figures by name; `problem` is called with a sentence for each that could not be taken."""
        takes = {"tcp": self._tcp, "reverse": self._reverse, "tcp8": self._tcp8, "udp64": self._udp64,
                 "udp1400": self._udp1400, "rtt": self._rtt, "loaded": self._loaded, "memory": self._memory}
        figures = {}
        for name in self._names:
            time.sleep(PAUSE_S)
            try:
                figures.update(takes[name](system))
            except lab.LabError as error:
                problem(f"{system.name}: {name}: {error}")
        return figures

    # -- TCP

    def _tcp(self, system):
        before = busy_seconds()
        bits, octets = self._iperf(system)
        busy = busy_seconds() - before
        return {"tcp_gbps": bits / 1e9, "cpu_s_per_gb": busy / (octets / 1e9)}

    def _reverse(self, system):
        return {"reverse_gbps": self._iperf(system, "-R")[0] / 1e9}

    def _tcp8(self, system):
        return {"tcp8_gbps": self._iperf(system, "-P", STREAMS)[0] / 1e9}

    def _iperf(self, system, *options):
        """(bits a second, octets) that the receiver got."""
        server = self._iperf_server(system)
        result = system.lab.run(system.place("a"), *self._iperf_client(system, *options), check=False,
                                timeout=self._seconds + 20)
        server.stop()
        return parse_iperf(result.stdout)

    def _iperf_server(self, system):
        log = f"iperf-{system.name}.log"
        if os.path.exists(system.lab.path(log)):
            os.unlink(system.lab.path(log))
        server = system.lab.spawn(system.place("b"), "iperf3", "-s", "-1", "--forceflush", "-B", system.address("b"),
                                  "-p", PORT, log=log)
        lab.wait_for(lambda: "listening" in server.last_lines(), 10, server)
        return server

    def _iperf_client(self, system, *options, seconds=None):
        return ("iperf3", "-c", system.address("b"), "-p", PORT, "-t", seconds or self._seconds, "-J",
                "--connect-timeout", "5000", *self._congestion, *options)

    # -- round trips

    def _rtt(self, system):
        times = self._ping(system, PINGS, PING_PERIOD_S)
        awake = self._ping(system, AWAKE_PINGS, AWAKE_PERIOD_S)
        return {"rtt_us": statistics.median(times), "rtt_p99_us": percentile(times, 99),
                "rtt_awake_us": statistics.median(awake)}

    def _loaded(self, system):
        server = self._iperf_server(system)
        # The flow goes on until it is ended, as pings take longer than planned where processors are scarce.
        load = system.lab.spawn(system.place("a"), *self._iperf_client(system, seconds=self._seconds + 30),
                                log=f"load-{system.name}.log")
        time.sleep(SETTLE_S)
        times = self._ping(system, int(self._seconds / PING_PERIOD_S), PING_PERIOD_S)
        ended = not load.running
        load.stop()
        server.stop()
        if ended:
            raise lab.LabError(f"the TCP flow ended before the pings did:\n{load.last_lines()}")
        return {"rtt_p99_loaded_us": percentile(times, 99)}

    def _ping(self, system, count, period):
        """Round trips in microseconds."""
        result = system.lab.run(system.place("a"), "ping", "-n", "-i", period, "-c", count, "-W",
                                PING_PATIENCE_S, system.address("b"), check=False, timeout=count * 0.1 + 20)
        times = parse_pings(result.stdout)
        if not times:
            raise lab.LabError(f"no ping was answered: {result.stdout}{result.stderr}")
        return list(times.values()) + [PING_PATIENCE_S * 1e6] * (count - len(times))

    # -- UDP

    def _udp64(self, system):
        return self._udp(system, "udp64")

    def _udp1400(self, system):
        return self._udp(system, "udp1400")

    def _udp(self, system, name):
        """Offered at full speed by one sender. What arrived is counted by a receiver whose buffer does not overflow,
        and by the device through which it came: that it was carried, even if the receiver lost it."""
        log = f"{name}-{system.name}.log"
        if os.path.exists(system.lab.path(log)):
            os.unlink(system.lab.path(log))
        receiver = system.lab.spawn(system.place("b"), self._udp_blast, "receive", PORT, SILENCE_S, log=log)
        lab.wait_for(lambda: "ready" in receiver.last_lines(), 10, receiver)
        before = system.lab.received("b", system.device("b"))
        sent = json.loads(system.lab.run(system.place("a"), self._udp_blast, "send", system.address("b"), PORT,
                                         DATAGRAMS[name], self._seconds, timeout=self._seconds + 20).stdout)
        if not receiver.wait(20):
            raise lab.LabError("the receiver did not end")
        device = system.datagrams_received(before, system.lab.received("b", system.device("b")), DATAGRAMS[name])
        got = json.loads(receiver.last_lines().splitlines()[-1])
        return {f"{name}_pps": got["datagrams"] / sent["seconds"], f"{name}_device_pps": device / sent["seconds"],
                f"{name}_offered_pps": sent["datagrams"] / sent["seconds"], f"{name}_reordered": got["reordered"]}

    # -- memory

    @staticmethod
    def _memory(system):
        resident = system.resident_mib()
        return {} if resident is None else {"rss_mib": resident}


def parse_iperf(text):
    try:
        told = json.loads(text)
        received = told["end"]["sum_received"]
        bits, octets = received["bits_per_second"], received["bytes"]
    except (ValueError, KeyError) as error:
        raise lab.LabError(f"iperf3 told no result: {text[-500:]}") from error
    if "error" in told or octets <= 0:
        raise lab.LabError(f"iperf3: {told.get('error', 'nothing arrived')}")
    return bits, octets


def parse_pings(text):
    """Sequence number -> microseconds, of the first answer to each."""
    times = {}
    for number, milliseconds in _REPLY.findall(text):
        times.setdefault(int(number), float(milliseconds) * 1000)
    return times


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def busy_seconds():
    """Processor time that the whole machine has spent on anything (proc(5): user, nice, system, irq, softirq)."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq = (int(word) for word in file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
