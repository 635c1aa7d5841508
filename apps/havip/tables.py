"""The tables, reasons and the question of HaVips in the path."""

from apps.pipeline import ADMISSION, PIPELINE, PORT
from sdnctl.of.fields import ARP_SPA, ARP_TPA

NO_MASTER = PIPELINE.reason(
    "no-master",
    "the HaVip has no master: no member has claimed it",
    "let a member claim it by a gratuitous ARP (arping -U, keepalived), or sdnctl havip move",
)
CLAIMS = ADMISSION.table(
    "claims", "does a member claim a HaVip", after="source", aside=True, matches=[PORT, ARP_SPA, ARP_TPA]
)
ASK_HAVIP = PIPELINE.question("ask_havip", "a gratuitous ARP of a member for its HaVip")
ASK_MOVED = PIPELINE.question("ask_moved", "the switch has confirmed that a HaVip is a member's on this host")
