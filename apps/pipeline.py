"""The path of a packet, from the port it came in at to the port it leaves by; each feature puts its tables into it.

admission   whose port is this, and may it send that?
service     what the switch answers itself: ARP, DHCP; nothing floods
router      same subnet? else the VPC's router: hop limit, local routes, the subnet's route table
public      elastic IPs: out through SNAT, in through DNAT, and from one to another without leaving
delivery    next hop to MAC address and port: on this host, or through a tunnel to another
egress      out to the network interface
uplink      out to the public network
controller  what needs a controller's answer: within the asker's limit, the account's and the host's
end         one flow for each reason to drop; its counter counts

A packet that asks (``ask``) first meets the limit of who sent it, then a barrier, then the limits of its account and of
the host.  So a flood costs the switch and the controller what the sender's own limit lets through, whatever is written
in its packets, and takes nothing from others.  What will become a question, or an answer made of what its sender wrote,
is sent past the barrier before anything else of it is looked at (``checked``): table ``asks`` says what that is.
"""

from collections.abc import Iterator, Mapping

from sdnctl.base.addresses import Ip4
from sdnctl.of.actions import CONTROLLER, Action, Instruction, meter, output, resubmit, set_field
from sdnctl.of.fields import ETH_DST, ETH_TYPE, IP_DST, IP_PROTO, IP_SRC, IP_TTL, UDP_DST, UDP_SRC, Field, Value
from sdnctl.of.meter import Meter
from sdnctl.program.declared import Question, Reason
from sdnctl.program.feature import Item, View, always, says
from sdnctl.program.pipeline import Pipeline, Priority, enter, goto, onward
from sdnctl.program.step import Step

PIPELINE = Pipeline()

ADMISSION = PIPELINE.stage("admission")
SERVICE_STAGE = PIPELINE.stage("service")
ROUTER = PIPELINE.stage("router")
PUBLIC = PIPELINE.stage("public")
DELIVERY = PIPELINE.stage("delivery")
EGRESS = PIPELINE.stage("egress", ends=True, room=24)
UPLINK_STAGE = PIPELINE.stage("uplink", ends=True, room=8)
CONTROLLER_STAGE = PIPELINE.stage("controller", ends=True)
END = PIPELINE.stage("end")

VPC = PIPELINE.field("vpc", since=ADMISSION, until=END)
SUBNET = PIPELINE.field("subnet", since=ADMISSION, until=END)
PORT = PIPELINE.field("port", since=ADMISSION, until=END)
NEXT_HOP = PIPELINE.field("next_hop", since=ADMISSION, until=END, show=lambda value: str(Ip4(value)))
OUT_PORT = PIPELINE.field("out_port", since=ADMISSION, until=END)
QUESTION = PIPELINE.field(
    "question", bits=8, since=ADMISSION, until=END, show=lambda n: PIPELINE.questions[n - 1].name if n else "none"
)
CHECKED = PIPELINE.field("checked", bits=1, since=ADMISSION, until=END)
REASON = PIPELINE.field("reason", bits=8, since=ADMISSION, until=END, show=lambda n: PIPELINE.reasons[n - 1].name)

OUTSIDE = 0
"""PORT of a packet that came from the public network; port keys start at 1."""
ANOTHER_HOST = 1 << 24
"""PORT of a packet that another host sent here on its way to the public network; port keys stay below."""

ASKER_RATE, ASKER_BURST = 100, 100
"""The packets a second, and at once, that one asker may have looked at closely: a port, or an elastic IP from outside.

An instance that talks to a hundred neighbours at once still gets all its ARP answers, a traceroute all its hops."""
ACCOUNT_RATE, ACCOUNT_BURST = 200, 200
"""The same for the questions of all that an account has on a host."""
OTHERS = PIPELINE.limit("others", "askers that have no limit of their own", rate=ASKER_RATE, burst=ASKER_BURST)
HOST = PIPELINE.limit("host", "all questions of a host", rate=2000, burst=1000)

ASKS = ADMISSION.table(
    "asks",
    "will it become a question, or an answer made of what its sender wrote",
    after="origin",
    before="source",
    matches=[VPC, ETH_DST, ETH_TYPE, IP_DST, IP_PROTO, IP_TTL, UDP_SRC, UDP_DST],
    miss="onward",
)
BEHIND = ADMISSION.table(
    "behind", "what was within its sender's limit", after="asks", before="source", aside=True, matches=[QUESTION]
)
BARRIER = PIPELINE.barrier("asking", "nothing that an asker wrote is looked at before", to=BEHIND)

ASKER = CONTROLLER_STAGE.table(
    "asker",
    "is the asker within its own limit",
    matches=[CHECKED, PORT, VPC, NEXT_HOP, IP_SRC, IP_DST],
)
ACCOUNT = CONTROLLER_STAGE.table("account", "is its account within its limit", after="asker", matches=[VPC])
SHARED = CONTROLLER_STAGE.table("shared", "is the host within its limit", after="account")
ANSWER = CONTROLLER_STAGE.table("answer", "to the controller, which answers", after="shared", matches=[QUESTION])
PIPELINE.desk(QUESTION, ANSWER)

DROP = END.table("drop", "count the drop by its reason", matches=[REASON, PORT, OUT_PORT], aside=True)
drop = PIPELINE.dropper(REASON, DROP)


def dropped(reason: Reason) -> tuple[Action, ...]:
    """The actions on a packet that the controller has and nobody gets: the switch counts it by its reason."""
    return set_field(REASON, reason.number), resubmit(DROP.id)


def ask(question: Question) -> tuple[Action | Instruction, ...]:
    """Ask the controller, within the limits of the asker, its account and the host."""
    return set_field(QUESTION, question.number), enter(CONTROLLER_STAGE)


def ask_alone(question: Question) -> tuple[Action | Instruction, ...]:
    """Ask the controller at once: for a flow that has a limit of its own, and shares none with others."""
    return set_field(QUESTION, question.number), goto(ANSWER)


def checked() -> tuple[Instruction, ...]:
    """Look at the rest of the packet only when its sender is within its limit, and behind the barrier."""
    return (enter(CONTROLLER_STAGE),)


def asker(number: int, *matches: Mapping[Field, Value], vpc: int | None = None) -> Iterator[Item]:
    """One asker: its limit, meter ``number``, and a flow for each way to tell it, which leads past the barrier.

    ``vpc`` is the key of the asker's VPC, where its packets do not carry that yet.
    """
    yield Meter(number, ASKER_RATE, ASKER_BURST, packets=True)
    known = () if vpc is None else (set_field(VPC, vpc),)
    for match in matches:
        # Somebody asks: within its own limit, and nothing that it wrote is looked at before the barrier.
        yield ASKER.flow(Priority.NORMAL, match, (*known, *within(number)))


def within(number: int) -> tuple[Action | Instruction, ...]:
    """On behind the barrier, within the limit of meter ``number``."""
    return meter(number), set_field(CHECKED, 1), BARRIER.through()


@always
def misses() -> Iterator[Item]:
    """Yield what the declarations ask for: limits, barriers, table misses, and one counter for each reason."""
    yield from PIPELINE.items(drop)
    for reason in PIPELINE.reasons:
        yield DROP.flow(Priority.NORMAL, {REASON: reason.number}, [])


@always
def questions() -> Iterator[Item]:
    """The way of a question to the controller: the asker's limit, the barrier, the limits of account and host."""
    # It has passed its limit and the barrier already.
    yield ASKER.flow(Priority.EXCEPTION, {CHECKED: 1}, [onward(ASKER)])
    # Somebody without a limit of its own: all of them share one.
    yield ASKER.flow(Priority.MISS, {}, within(OTHERS.number))
    # Behind the barrier, not asking: on as if nothing had been.
    yield BEHIND.flow(Priority.NORMAL, {QUESTION: 0}, [onward(BEHIND)])
    # Behind the barrier, asking.
    yield BEHIND.flow(Priority.MISS, {}, [goto(ACCOUNT)])
    # Of no account: a packet that the controller itself sent.
    yield ACCOUNT.flow(Priority.MISS, {}, [onward(ACCOUNT)])
    # All questions of this host are answered by one controller.
    yield SHARED.flow(Priority.MISS, {}, [HOST.within(), onward(SHARED)])
    for question in PIPELINE.questions:
        # The field tells the controller what is asked; the flow counts how often.
        yield ANSWER.flow(Priority.NORMAL, {QUESTION: question.number}, [output(CONTROLLER)])


@says(misses)
def missed(step: Step, view: View) -> str:
    """A packet that goes its way; nothing where that says nothing."""
    return "nothing in it is answered by the controller or sent back" if step.table == ASKS.id else ""


@says(questions)
def asking(step: Step, view: View) -> str:
    """The place of a question that is on its way, in words."""
    places = {ASKER.id: "the asker", ACCOUNT.id: "its account", SHARED.id: "this host"}
    return f"within the limit of {places[step.table]}" if step.table in places else "past the barrier"
