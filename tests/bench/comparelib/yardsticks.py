"""What rove's own cost is told by: the least that a program of its kind can do on this machine."""

import lab
from user_space import UserSpace


class Bare(UserSpace):
    """bare_overlay, built beside rove: seals and carries frames, and does nothing else."""

    name, frame_header = "bare", 42
    by_default = False
    _cipher, _port = "aes256gcm", 7690

    def __init__(self, laboratory, number, binary):
        super().__init__(laboratory, number)
        self._binary = binary

    def version(self):
        return self._cipher

    def connect(self):
        for here, there in (lab.HOSTS, tuple(reversed(lab.HOSTS))):
            ends = (f"{lab.UNDERLAY[host]}:{self._port}" for host in (here, there))
            self.spawn(here, self._binary, "--cipher", self._cipher, self.device(here), *ends)


class BarePlain(Bare):
    """The same, which copies where the other seals."""

    name = "bare-plain"
    _cipher, _port = "none", 7691


SYSTEMS = (Bare, BarePlain)
