"""Mininet's prompt for a cloud: ``web ping db``, ``web iperf db``, ``trace web db``.

The first word of a line is a machine, which runs the rest, or a command; names of machines become their addresses.
"""

import json
import shlex
import subprocess
import sys

from mininet.cli import CLI
from mininet.log import output

from topologies.cloud import Cloud
from topologies.internet import SERVER
from topologies.process import stop, wait_until
from topologies.service import programs_of
from topologies.station import CommandError, Station

IPERF_SECONDS = 3
IPERF_PORT = 5201
OUTSIDE = "internet"


class Failed(Exception):
    """A line of a script that did not do what it says."""


class Prompt(CLI):
    """The commands of a laboratory; those of Mininet that need a network of its own kind are replaced."""

    prompt = "lab> "
    intro = "Machines and commands: 'help'. Names stand for addresses: web ping -c 3 db"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._status = 0
        self._open = False
        # CLI's own constructor runs the prompt at once: here it is opened when everything is ready.
        super().__init__(cloud.net)

    def run(self) -> None:
        """Nothing while the object is made; see ``open``."""
        if self._open:
            super().run()

    def open(self) -> None:
        """Read lines from the terminal until ``exit`` or the end of the input."""
        self._open = True
        self.machines()
        self.run()

    def obey(self, line: str) -> None:
        """One line of a script; ``not LINE`` wants it to fail.  Raises Failed when it does otherwise."""
        line = line.partition("#")[0].strip()
        if not line:
            return
        output(f"{self.prompt}{line}\n")
        refused, wanted = (line.removeprefix("not "), False) if line.startswith("not ") else (line, True)
        self._status = 0
        self.onecmd(refused)
        if (self._status == 0) is not wanted:
            raise Failed(line)

    # What a line means

    def onecmd(self, line: str) -> bool:
        """A line: a machine's, or a command (cmd(1) alone would take a machine named ``net`` for its command)."""
        first = line.split(maxsplit=1)[0] if line.split() else ""
        if first in self.nodes():
            self.default(line)
            return False
        return bool(super().onecmd(line))

    def default(self, line: str) -> None:
        """A machine and what it runs."""
        words = line.split(maxsplit=1)
        node = self.nodes().get(words[0])
        if node is None:
            return self._fail(f"no machine and no command {words[0]!r}: try 'help'")
        if len(words) == 1:
            return self._fail(f"what is {words[0]} to do? For example: {words[0]} ip address")
        rest = words[1].split(" ")
        if rest[0] == "iperf" and len(rest) == 2 and rest[1] in self.nodes():
            return self._iperf(words[0], rest[1])
        node.sendCmd(" ".join(self.address(word) or word for word in rest) + "; __status=$?")
        self.waitForNode(node)
        self._status = int(node.cmd("echo $__status").strip() or 0)
        return None

    def nodes(self) -> dict[str, Station]:
        """The stations that run what is typed, by name: the machines, and the server in the internet."""
        return {**self.cloud.guests, OUTSIDE: self.cloud.internet.server}

    def address(self, name: str) -> str:
        """The address that a name stands for; "" when it is none."""
        if name == OUTSIDE:
            return SERVER
        if name in self.cloud.guests:
            return str(self.cloud.interfaces[name, 0]["primaryIp"]["privateIpAddress"])
        return ""

    def public(self, name: str) -> str:
        """The elastic IP that a machine has now; "" when it has none."""
        found = self.cloud.owners[name].vpc("describeElasticIps", pageSize=100)["elasticIps"]
        ports = {port["networkInterfaceId"] for (owner, _), port in self.cloud.interfaces.items() if owner == name}
        return next((str(eip["elasticIpAddress"]) for eip in found if eip.get("networkInterfaceId") in ports), "")

    # Commands

    def do_machines(self, _line: str = "") -> None:
        """The machines: whose they are, their addresses, their elastic IPs."""
        self.machines()

    def machines(self) -> None:
        """Print the machines."""
        for name in self.cloud.guests:
            vpc, _ = self.cloud.machines[name]
            public = self.public(name)
            shown = f"{self.address(name)}{f', {public} outside' if public else ''}"
            output(f"{name:<16} {self.cloud.owners[name].name}/{vpc.name:<12} {shown}\n")
        output(f"{OUTSIDE:<16} {'':<20} {SERVER}\n")

    def do_trace(self, line: str) -> None:
        """trace FROM TO [--proto tcp --dport 80]: what becomes of a packet, in words; no packet is sent."""
        words = line.split()
        if len(words) < 2 or words[0] not in self.nodes():
            return self._fail(f"trace FROM TO, where FROM is one of {', '.join(self.nodes())}")
        sender, to, *more = words
        origin = OUTSIDE
        if sender != OUTSIDE:
            origin = self.cloud.interfaces[sender, 0]["networkInterfaceId"]
        elif to in self.cloud.guests:
            to = self.public(to) or to
        return self._sdnctl("trace", "--from", origin, "--to", self.address(to) or to, *more)

    def do_sdnctl(self, line: str) -> None:
        """sdnctl …: a command on this region, as its default account."""
        self._sdnctl(*shlex.split(line))

    def do_as(self, line: str) -> None:
        """as ACCOUNT sdnctl …: a command on this region, as one of its customers."""
        account, *rest = shlex.split(line) or [""]
        tenant = self.cloud.tenants.get(account)
        if tenant is None or rest[:1] != ["sdnctl"]:
            return self._fail(f"as ACCOUNT sdnctl …, where ACCOUNT is one of {', '.join(self.cloud.tenants)}")
        return self._sdnctl(*rest[1:], **tenant.keys)

    def do_pingall(self, _line: str = "") -> None:
        """Each machine pings each other one of its network, once."""
        lost = 0
        for name, guest in self.cloud.guests.items():
            own = self.cloud.owners[name], self.cloud.machines[name][0]
            answers = []
            for other in self.cloud.guests:
                if other != name and (self.cloud.owners[other], self.cloud.machines[other][0]) == own:
                    answered = guest.ping(self.address(other), count=1, wait=1)
                    answers.append(other if answered else "X")
                    lost += not answered
            output(f"{name} -> {' '.join(answers)}\n")
        self._status = int(lost > 0)

    def _iperf(self, sender: str, receiver: str) -> None:
        """TCP from one machine to another for some seconds (iperf3(1))."""
        nodes = self.nodes()
        target = self.address(receiver)
        if sender == OUTSIDE:
            target = self.public(receiver)
        if not target:
            return self._fail(f"{receiver} has no elastic IP: the internet cannot reach it")
        server = nodes[receiver].spawn(["iperf3", "-s", "-1", "-p", str(IPERF_PORT)])
        try:
            wait_until(lambda: f":{IPERF_PORT}" in nodes[receiver].run("ss", "-ltn"), 5)
            argv = ["iperf3", "-c", target, "-p", str(IPERF_PORT), "-t", str(IPERF_SECONDS), "-J"]
            told = json.loads(nodes[sender].run(*argv, "--connect-timeout", "3000", timeout=IPERF_SECONDS + 20))
            rate = told["end"]["sum_received"]["bits_per_second"] / 1e6
            output(f"{sender} -> {receiver}: {rate:.1f} Mbit/s\n")
        except (CommandError, subprocess.TimeoutExpired) as error:
            return self._fail(str(error).partition("\n")[0])
        finally:
            stop(server)
        return None

    def _sdnctl(self, *arguments: str, **environment: str) -> None:
        argv = [sys.executable, "-m", "sdnctl", *arguments]
        env = programs_of(self.cloud.service.checkout) | {"SDNCTL_DATA": str(self.cloud.service.data)} | environment
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output(done.stdout.decode(errors="replace"))
        self._status = done.returncode

    def _fail(self, said: str) -> None:
        output(f"*** {said}\n")
        self._status = 1
