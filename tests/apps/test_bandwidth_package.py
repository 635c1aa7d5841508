"""Bandwidth packages: how a division comes out, the meters that follow it, and who is told what."""

from dataclasses import replace

import pytest

from apps.bandwidth_package.facts import HUNGRY, divide, divided, members
from apps.bandwidth_package.flows import use
from apps.bandwidth_package.model import BandwidthPackage, MemberShare, MemberUse, PackageMember
from apps.bandwidth_package.service import division_of
from apps.eip.model import ElasticIp
from apps.holder.model import Holder
from sdnctl.engine.engine import Engine
from sdnctl.program.feature import Reading, Used
from sdnctl.store import Change, State
from tests.build import HERE
from tests.networks.bandwidth_package import packaged

TOTAL = 50_000


@pytest.mark.parametrize(
    ("caps", "uses", "shares"),
    [
        ([TOTAL] * 3, [HUNGRY] * 3, [16_666, 16_667, 16_667]),
        ([TOTAL] * 3, [HUNGRY, HUNGRY, 0], [24_500, 24_500, 1000]),
        ([TOTAL] * 3, [HUNGRY, 0, 4000], [42_000, 1000, 7000]),
        ([10_000, TOTAL, 0], [HUNGRY, HUNGRY, HUNGRY], [10_000, 40_000, 0]),
        ([TOTAL] * 2, [0, 0], [25_000, 25_000]),
        ([10_000, 20_000], [HUNGRY, 0], [10_000, 20_000]),
        ([TOTAL] * 2, [30_000, 30_000], [25_000, 25_000]),
        ([], [], []),
    ],
)
def test_k9_max_min_fairness(caps: list[int], uses: list[int], shares: list[int]) -> None:
    assert divide(TOTAL, caps, uses) == shares


def test_k8_no_division_is_more_than_the_package_or_a_limit() -> None:
    for count in (1, 2, 7, 20):
        caps = [TOTAL if n % 3 else 2000 for n in range(count)]
        for step in (1, 2, 5):
            uses = [HUNGRY if n % step == 0 else 3000 * n for n in range(count)]
            shares = divide(TOTAL, caps, uses)
            assert sum(shares) <= TOTAL and all(0 <= s <= cap for s, cap in zip(shares, caps, strict=True))


def started() -> tuple[State, Engine]:
    network = packaged()
    state = State()
    state.apply(network.changes())
    return state, network.engine()


def test_members_have_the_meters_of_their_shares_and_others_their_own() -> None:
    """Nobody is known yet to use less: what the limits of 10 and 0 leave is the first one's."""
    state, engine = started()
    rates = {}
    for name in ("free", "slow", "shut", "out"):
        eip = state.all(ElasticIp)[f"fip-{name}"]
        rates[name] = tuple(engine.desired.meters[id].rate_kbps for id in (eip.out_meter, eip.in_meter))
    assert rates == {"free": (39_360,) * 2, "slow": (9840,) * 2, "shut": (64, 64), "out": (5 * 984, 10 * 984)}


def test_a_division_changes_two_meters_and_no_flow_and_counts_in_its_round_only() -> None:
    state, engine = started()
    member = state.all(PackageMember)["bwpm-free"]
    share = MemberShare(id=member.id, member=member.id, vpc=member.vpc, out=20_000, into=30_000, round=member.round)
    eip = state.all(ElasticIp)["fip-free"]
    touched = engine.apply([Change(MemberShare, share.id, None, share)], strict=True)
    assert touched.meters == {eip.out_meter, eip.in_meter} and not touched.cookies
    assert engine.desired.meters[eip.out_meter].rate_kbps == 19_680
    later = replace(share, round=member.round - 1, out=1)
    engine.apply([Change(MemberShare, share.id, share, later)], strict=True)
    assert engine.desired.meters[eip.out_meter].rate_kbps == 39_360


def test_what_leaves_a_package_has_its_own_meters_again() -> None:
    state, engine = started()
    for name in ("free", "shut"):
        member, eip = state.all(PackageMember)[f"bwpm-{name}"], state.all(ElasticIp)[f"fip-{name}"]
        engine.apply([Change(PackageMember, member.id, member, None)], strict=True)
        assert engine.desired.meters[eip.out_meter].rate_kbps == 5 * 984


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (Used(1.0, 100_000, 0), 813),
        (Used(2.0, 100_000, 0), 406),
        (Used(1.0, 100_000, 1), HUNGRY),
        (Used(1.0, 4_700_000, 0), HUNGRY),
    ],
)
def test_a_host_tells_what_a_member_uses_or_that_it_is_held_back(used: Used, told: int) -> None:
    state, engine = started()
    eip = state.all(ElasticIp)["fip-free"]
    reading = Reading(0.0, (), {}, {eip.out_meter: used, eip.in_meter: Used(1.0, 0, 0)})
    made = use.report(eip, reading, HERE, engine.view())
    assert made == MemberUse(id=f"{HERE}/bwpm-free", host=HERE, member="bwpm-free", out=told, into=0)


def test_the_division_follows_the_host_that_presents_the_address_and_lets_small_changes_be() -> None:
    state, _ = started()
    package = state.all(BandwidthPackage)["bwp-one"]

    def put(*records: MemberUse | Holder | MemberShare) -> None:
        state.apply([Change(type(one), one.id, state.get(type(one), one.id), one) for one in records])

    for name in ("free", "slow"):
        eip = state.all(ElasticIp)[f"fip-{name}"]
        put(Holder(id=str(eip.address), vpc=eip.vpc, host=HERE))
        out = HUNGRY if name == "slow" else 20_000
        put(MemberUse(id=f"{HERE}/bwpm-{name}", host=HERE, member=f"bwpm-{name}", out=out))
        put(MemberUse(id=f"other/bwpm-{name}", host="other", member=f"bwpm-{name}", out=HUNGRY))
    by_name = dict(
        zip(
            (one.id for one in members(package.id, state)),
            divided(package, members(package.id, state), state),
            strict=True,
        )
    )
    assert by_name["bwpm-slow"] == (10_000, 10_000) and by_name["bwpm-free"].out == 40_000
    # As it is in force: nothing is told.
    assert division_of(package, state) == []
    put(MemberUse(id=f"{HERE}/bwpm-slow", host=HERE, member="bwpm-slow", out=0))
    put(MemberUse(id=f"{HERE}/bwpm-free", host=HERE, member="bwpm-free", out=HUNGRY))
    made = {one.id: one for one in division_of(package, state)}
    assert (made["bwpm-free"].out, made["bwpm-slow"].out) == (49_000, 1000)
    put(*made.values())
    assert division_of(package, state) == []
    put(MemberUse(id=f"{HERE}/bwpm-slow", host=HERE, member="bwpm-slow", out=40))
    assert division_of(package, state) == []
