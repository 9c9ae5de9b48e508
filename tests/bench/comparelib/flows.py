"""Flows of known octets between the two hosts (stream_check): what was sent, what came, what is wrong with that."""

import dataclasses
import json
import time

import lab

FIRST_PORT = 6000
SILENCE_S = 2  # a flow of datagrams is over: longer than a busy machine lets its sender wait
# All together: slower than this they are given up.
PATIENCE_S, OCTETS_PER_S = 60, 20e6
_POLL_S = 0.05


@dataclasses.dataclass
class Flow:
    """One TCP connection or one flow of datagrams."""

    protocol: str  # tcp, udp
    family: int  # 4, 6
    source: str
    octets: int
    seed: int
    port: int = 0
    sent: dict = dataclasses.field(default_factory=dict)  # what the sender told, and the receiver
    got: dict = dataclasses.field(default_factory=dict)
    problems: list = dataclasses.field(default_factory=list)

    @property
    def destination(self):
        return lab.HOSTS[1 - lab.HOSTS.index(self.source)]

    @property
    def name(self):
        return f"{self.protocol} ipv{self.family} {self.source}→{self.destination}"

    def receiver(self):
        return ["receive", self.port, self.octets, self.seed] if self.protocol == "tcp" else \
            ["receive-udp", self.port, self.seed, SILENCE_S]

    def sender(self, address):
        return ["send" if self.protocol == "tcp" else "send-udp", address, self.port, self.octets, self.seed]

    @property
    def lost(self):
        """Datagrams; None where it cannot be told."""
        if self.protocol != "udp" or not self.sent or not self.got:
            return None
        return self.sent["datagrams"] - (self.got["datagrams"] - self.got["duplicated"] - self.got["corrupted"])

    def _is_intact(self):
        if self.protocol == "tcp":
            return self.got["intact"]
        faults = self.got["corrupted"] + self.got["duplicated"] + self.got["reordered"]
        return self.got["datagrams"] > 0 and faults == 0

    def take(self, end, process):
        """What one end told on its last line, and what is wrong with that."""
        ended = not process.running
        if not ended:
            process.kill()
        lines = [line for line in process.last_lines().splitlines() if line != "ready"]
        told = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
        if end == "sender":
            self.sent = told
        else:
            self.got = told
        if not ended:
            self.problems.append(f"the {end} did not end")
        elif not told or (end == "receiver" and not self._is_intact()):
            self.problems.append(f"{end}: " + (" | ".join(lines) or "told nothing"))

    def sentence(self):
        if self.problems:
            return f"{self.name}: " + "; ".join(self.problems)
        if self.protocol == "tcp":
            return f"{self.name}: {self.octets / 1e9:.2f} GB intact, " \
                   f"{self.octets * 8 / 1e9 / self.got['seconds']:.2f} Gb/s"
        share = self.lost / self.sent["datagrams"]
        return f"{self.name}: {self.got['datagrams']} datagrams intact and in order, {self.lost} lost ({share:.2%})" + \
               ("" if self.sent["segmentation"] else ", sent without UDP_SEGMENT")

    def report(self):
        return {"protocol": self.protocol, "family": self.family, "source": self.source, "sent": self.sent,
                "received": self.got, "lost": self.lost, "problems": self.problems}


def plan(octets, datagram_octets, seed):
    """Connections and flows of datagrams in both directions and by both families, `octets` in all connections, so many
    `datagram_octets` in all flows. Two of three connections go from a to b: so one direction has more to do, as most
    networks have."""
    ways = [(family, source) for family in (4, 6) for source in lab.HOSTS]
    connections = ways + [way for way in ways if way[1] == lab.HOSTS[0]]
    flows = [Flow("tcp", family, source, int(octets / len(connections)), 0) for family, source in connections]
    flows += [Flow("udp", family, source, int(datagram_octets / len(ways)), 0) for family, source in ways]
    for number, flow in enumerate(flows):
        flow.port, flow.seed = FIRST_PORT + number, seed * len(flows) + number
    return flows


def run(flows, system, program, addresses):
    """Sends all at the same time; `addresses`: (host, family) -> address. Every flow has its results and problems
    then."""
    receivers = [_spawn(system, flow.destination, program, flow.receiver(), f"receive-{flow.port}") for flow in flows]
    for receiver in receivers:
        lab.wait_for(lambda process=receiver: "ready" in process.last_lines(), 20, receiver)
    senders = [_spawn(system, flow.source, program, flow.sender(addresses[flow.destination, flow.family]),
                      f"send-{flow.port}") for flow in flows]
    deadline = time.monotonic() + PATIENCE_S + sum(flow.octets for flow in flows) / OCTETS_PER_S
    while any(process.running for process in receivers + senders) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        if not all(daemon.running for daemon in system.daemons.values()):
            break  # nothing can come any more
    for flow, sender, receiver in zip(flows, senders, receivers):
        flow.take("sender", sender)
        flow.take("receiver", receiver)


def _spawn(system, host, program, words, log):
    return system.lab.spawn(system.place(host), program, *words, log=f"{log}.log")

