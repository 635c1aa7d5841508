"""Tables of fragments in the path: behind connection tracking, which has translated their addresses, or has not."""

from apps.pipeline import PIPELINE, PUBLIC, VPC
from sdnctl.of.fields import CT_STATE, IP_DST, IP_SRC

NOT_TRANSLATED = PIPELINE.reason(
    "not-translated",
    "connection tracking has not translated a fragment's address",
    "send again; if it lasts, send packets that need no fragments",
)

SNAT_PIECES = PUBLIC.table(
    "snat_pieces",
    "has a fragment got its public source",
    after="snat",
    before="quoted_out",
    aside=True,
    matches=[CT_STATE, VPC, IP_SRC],
    miss=NOT_TRANSLATED,
)
DNAT_PIECES = PUBLIC.table(
    "dnat_pieces",
    "has a fragment got its private destination",
    after="dnat",
    before="quoted_in",
    aside=True,
    matches=[CT_STATE, VPC, IP_DST],
    miss=NOT_TRANSLATED,
)
