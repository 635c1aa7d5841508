"""Tables of packets that are larger than the way before them: a tunnel, or the uplink."""

from apps.pipeline import CONTROLLER_STAGE, END, NEXT_HOP, PIPELINE, PORT, PUBLIC, QUESTION, UPLINK_STAGE, VPC
from sdnctl.of.fields import IP_SRC, METADATA

TOO_BIG = PIPELINE.field("too_big", bits=1, since=PUBLIC, until=UPLINK_STAGE)
ROOM = PIPELINE.field("room", bits=16, since=PUBLIC, until=END)
"""The largest packet that fits, in bytes, once one is too big."""

CUT = CONTROLLER_STAGE.table(
    "cut",
    "is there something that cuts it, and is its sender within its own limit",
    before="asker",
    aside=True,
    matches=[PORT, VPC, NEXT_HOP, IP_SRC],
)
CUT_OUT = CONTROLLER_STAGE.table(
    "cut_out", "to the fragmenter, which cuts what may be cut", after="cut", before="asker", aside=True
)
CUT_BACK = CONTROLLER_STAGE.table(
    "cut_back",
    "back from the fragmenter: a fragment, or whole since it may not be cut",
    after="cut_out",
    before="asker",
    aside=True,
    matches=[METADATA, QUESTION],
    miss="onward",
)
CUT_BARRIER = PIPELINE.barrier("cutting", "nothing is cut beyond its sender's limit", to=CUT_OUT)
CUT_OTHERS = PIPELINE.limit(
    "cut_others", "large packets of senders that have no limit of their own", rate=200, burst=200
)
CUT_ALL = PIPELINE.limit("cut_all", "all large packets of a host", rate=4000, burst=2000)
ASK_FRAGMENTER = PIPELINE.question("ask_fragmenter", "the fragmenter is there")
