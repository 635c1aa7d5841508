"""The files through which the programs of one machine find the API: readable by their owner only.

`DATA/account.json` keeps the default account's keys, `DATA/endpoint.json` says where the API serves and with which
token the operator comes; `DATA/operator.token` holds that token alone, for a Prometheus `credentials_file`.
"""

import json
from pathlib import Path
from typing import Any

from sdnctl.api.schema import Json
from sdnctl.base.paths import write_private

ACCOUNT, ENDPOINT, TOKEN = "account.json", "endpoint.json", "operator.token"


def read(path: Path) -> Json:
    """A file's JSON object; {} when it is missing or damaged."""
    try:
        found: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def secret(path: Path, text: str) -> None:
    """Replace a file by one line, at once, mode 600."""
    write_private(path, f"{text}\n")
