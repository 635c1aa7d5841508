"""The README's tour and its example of the SDK, word by word on a machine with an Open vSwitch and a wire outside."""

import re
import signal
from pathlib import Path

from mininet.net import Mininet

from topologies.hypervisor import Hypervisor
from topologies.internet import Internet
from topologies.service import ROOT

README = (ROOT / "README.md").read_text()
TOUR = README.partition("<!-- tour -->")[2].partition("<!-- end of the tour -->")[0]
TYPED = re.compile(r"^ {4}\$ (.*)$", re.MULTILINE)
SDK = re.search(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MAY_FAIL = "sdnctl doctor"  # what this machine lacks is not the README's fault


def script(directory: Path) -> str:
    """The tour as a script: each line is printed, then done, and the first that fails ends it."""
    assert SDK is not None
    (directory / "sdk.py").write_text(SDK[1].replace("/tmp/", f"{directory}/"))
    lines = [line.replace("/tmp/", f"{directory}/") for line in TYPED.findall(TOUR)]
    lines.insert(-1, f"python {directory}/sdk.py")  # while the region is there
    assert len(lines) > 30, "the tour is in the README, between its two marks"
    told = [line if not line.startswith(MAY_FAIL) else f"{line.partition('#')[0]} || true" for line in lines]
    at_the_end = "{ kill $(jobs -p); ip netns del vm; } 2>/dev/null || true"
    return "\n".join(["set -e", f"trap '{at_the_end}' EXIT", "set -v", *told])


def test_the_tour_runs_word_by_word(tmp_path: Path) -> None:
    net = Mininet(controller=None, build=False)
    try:
        host: Hypervisor = net.addHost("tour", cls=Hypervisor)
        host.start_switch()
        Internet(net, host, "eth1")
        (tmp_path / "tour.sh").write_text(script(tmp_path))
        process = host.spawn(
            ["env", "-C", str(ROOT), *settings(host), "bash", str(tmp_path / "tour.sh")],
            log=tmp_path / "said",
            end=signal.SIGTERM,
        )
        process.wait(timeout=180)
        said = (tmp_path / "said").read_text(errors="replace")
        assert process.returncode == 0, said
        assert "1 received" in said and "is plugged into no host" in said
        assert re.search(r"^\{'vpcId': 'vpc-\w+'\}$", said, re.MULTILINE), said
        assert "web-ip" in (tmp_path / "now.yaml").read_text()
    finally:
        net.stop()


def settings(host: Hypervisor) -> list[str]:
    """What makes this Open vSwitch the system's for whoever runs here."""
    return [f"{name}={value}" for name, value in host.env.items() if name.startswith("OVS_")]
