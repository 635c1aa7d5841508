"""Network namespaces of services (ip-netns(8)): made when a service wants one, kept over restarts for its processes."""

import subprocess
from pathlib import Path

from sdnctl.base.errors import FeatureError

NAMES = Path("/run/netns")


def name_of(service: str) -> str:
    """The namespace of a service."""
    return f"sdnctl-{service.replace('.', '-')}"


def make(service: str) -> str:
    """The namespace of a service, made unless it is there, with its loopback up; FeatureError when it cannot be."""
    name = name_of(service)
    if (NAMES / name).exists() and not _whole(name):
        _ip("netns", "delete", name)
    if not (NAMES / name).exists():
        _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    return name


def _whole(name: str) -> bool:
    """True while a name leads to a namespace: in a new mount namespace the file may be there and the mount gone."""
    done = subprocess.run(["ip", "netns", "exec", name, "true"], capture_output=True, check=False, timeout=10)
    return done.returncode == 0


def remove(service: str) -> None:
    """Take the namespace of a service away that is no more."""
    if (NAMES / name_of(service)).exists():
        _ip("netns", "delete", name_of(service))


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FeatureError(f"ip {' '.join(arguments)}: {error}") from error
    except subprocess.CalledProcessError as error:
        raise FeatureError(f"ip {' '.join(arguments)}: {error.stderr.strip()} (root may)") from error
