"""The planner's promises, for any machine: 1 to 256 CPUs, 1 to 8 NUMA nodes, any NIC."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from apps.instance.facts import queues_for
from apps.instance.model import INSTANCE_TYPES
from apps.multi_queue.model import (
    Channels,
    Cpus,
    Impossible,
    Nic,
    Plan,
    Wish,
    assign,
    cpu_list,
    cpu_ranges,
    cpus_of,
    irqs_of,
    mask_of,
    plan,
    spread,
)

MOST_CPUS, MOST_NODES = 256, 8


@st.composite
def machines(draw: st.DrawFn) -> Cpus:
    """CPUs in NUMA nodes, some unplugged, some isolated (never all), some busy with neighbours."""
    number = draw(st.integers(1, MOST_CPUS))
    nodes = draw(st.integers(1, min(MOST_NODES, number)))
    interleaved = draw(st.booleans())
    node_of = {c: c % nodes if interleaved else c * nodes // number for c in range(number)}
    some = st.sets(st.integers(0, number - 1), max_size=number - 1)
    online = tuple(sorted(set(range(number)) - draw(some))) or (0,)
    isolated = frozenset(draw(some))
    load = draw(st.dictionaries(st.sampled_from(online), st.integers(0, 4).map(float)))
    wide = draw(st.sampled_from([1, 2, 4]))
    threads = {c: c % wide for c in online} if draw(st.booleans()) else {}
    return Cpus(online, node_of, isolated, load, threads)


@st.composite
def nics(draw: st.DrawFn) -> Nic:
    """Combined or separate channels, or none to be set; with as many vectors as queues, fewer, or none."""
    limit = draw(st.integers(1, 300))
    vectors = draw(st.integers(0, limit))
    irqs = irqs_of({100 + v: f"nic0-TxRx-{v}" for v in range(vectors)})
    node = draw(st.integers(-1, MOST_NODES - 1))
    now = draw(st.integers(1, limit))
    shape = draw(st.sampled_from(["combined", "separate", "fixed"]))
    if shape == "combined":
        return Nic("nic0", Channels(now), Channels(limit), "ixgbe", node, irqs)
    if shape == "separate":
        return Nic("nic0", Channels(rx=now, tx=now), Channels(rx=limit, tx=draw(st.integers(1, 300))), "x", node, irqs)
    return Nic("nic0", Channels(rx=now, tx=draw(st.integers(1, 300))), None, "tun", node, irqs)


def most_of(nic: Nic) -> int:
    """The largest number of queues that may be asked for."""
    if nic.most is None:
        return nic.now.receiving
    return nic.most.combined or min(nic.most.rx, nic.most.tx)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Nic, Cpus, Wish]:
    nic, cpus = draw(nics()), draw(machines())
    queues = draw(st.integers(0, most_of(nic))) if nic.most else 0
    return nic, cpus, Wish(queues)


def check(made: Plan, nic: Nic, cpus: Cpus) -> None:
    """Everything that holds for any plan."""
    assert len(made.cpus) == max(made.channels.receiving, made.channels.sending)
    assert set(made.cpus) <= set(cpus.eligible)
    use = Counter(made.cpus)
    counts = [use[c] for c in cpus.eligible]
    assert max(counts) - min(counts) <= 1
    near = cpus.near(nic.node)
    # A far CPU works only when every near one does, and never more than a near one.
    assert not set(made.cpus) - set(near) or min(use[c] for c in near) >= max(
        use[c] for c in set(made.cpus) - set(near)
    )
    assert set(made.irqs.values()) <= set(made.cpus)
    queue_of = {irq.number: irq.queue for irq in nic.irqs}
    assert all(cpu == made.cpus[queue] for irq, cpu in made.irqs.items() if (queue := queue_of[irq]) is not None)
    assert len(made.rps) == max(1, made.channels.receiving) and len(made.xps) == max(1, made.channels.sending)
    for queue, mask in enumerate(made.rps):
        assert set(mask) <= set(cpus.eligible)
        assert not mask or made.cpus[queue] in mask
    if any(made.rps):
        sizes = [len(mask) for mask in made.rps]
        assert max(sizes) - min(sizes) <= 1
    if made.channels.sending > 1:
        assert set(cpus.online) == {cpu for mask in made.xps for cpu in mask}


@given(cases())
def test_every_queue_has_a_cpu_that_may_take_it_near_ones_first_and_evenly(case: tuple[Nic, Cpus, Wish]) -> None:
    nic, cpus, wish = case
    made = plan(nic, cpus, wish)
    check(made, nic, cpus)
    assert made == plan(nic, cpus, wish)
    if nic.most is None:
        assert made.channels == nic.now and made.notes
    else:
        expected = wish.queues or min(most_of(nic), len(cpus.near(nic.node)))
        assert made.channels.receiving == made.channels.sending == expected


@given(cases())
def test_every_receive_queue_reaches_a_cpu_by_interrupt_or_by_rps(case: tuple[Nic, Cpus, Wish]) -> None:
    nic, cpus, wish = case
    made = plan(nic, cpus, wish)
    interrupted = {irq.queue for irq in nic.irqs if irq.number in made.irqs}
    assert all(made.rps[q] or q in interrupted for q in range(made.channels.receiving))


@given(cases())
def test_a_second_plan_changes_nothing_also_when_neighbours_got_busy(case: tuple[Nic, Cpus, Wish]) -> None:
    nic, cpus, wish = case
    first = plan(nic, cpus, wish)
    busier = replace(cpus, load={c: 9.0 - n for n, c in enumerate(cpus.online[:9])})
    assert plan(nic, busier, wish, first.cpus) == first


@given(st.integers(1, 300), machines(), st.integers(-1, MOST_NODES - 1), st.data())
def test_an_unplugged_cpu_moves_its_own_queues_only(queues: int, cpus: Cpus, node: int, data: st.DataObject) -> None:
    before = assign(queues, cpus, node)
    assume(len(cpus.eligible) > 1)
    gone = data.draw(st.sampled_from(cpus.eligible))
    left = replace(cpus, online=tuple(c for c in cpus.online if c != gone))
    assume(set(left.eligible) == set(cpus.eligible) - {gone})  # else nobody is isolated any more
    assume(set(cpus.near(node)) != {gone})  # else every CPU is near now
    after = assign(queues, left, node, before)
    assert [q for q in range(queues) if before[q] != after[q]] == [q for q in range(queues) if before[q] == gone]
    again = assign(queues, cpus, node, after)
    assert sum(a != b for a, b in zip(after, again, strict=True)) <= -(-queues // len(cpus.eligible))


@given(st.integers(1, 64), machines(), st.integers(-1, 7), st.lists(st.integers(0, 300), max_size=64))
def test_as_much_as_can_be_stays_where_it_was(queues: int, cpus: Cpus, node: int, before: list[int]) -> None:
    made = assign(queues, cpus, node, before)
    check_counts = Counter(made)
    kept = sum(a == b for a, b in zip(before, made, strict=False))
    held = Counter(c for c in before[:queues] if c in cpus.eligible)
    # With these counts of queues on each CPU, no other choice keeps more.
    assert kept == sum(min(held[c], check_counts[c]) for c in held)


@given(cases(), st.integers(1, 400))
def test_too_many_queues_are_refused_with_the_limit(case: tuple[Nic, Cpus, Wish], more: int) -> None:
    nic, cpus, _ = case
    limit = most_of(nic)
    with pytest.raises(Impossible, match=rf"nic0: .*\b{limit}\b"):
        plan(nic, cpus, Wish(limit + more))


def test_neighbours_decide_between_equal_cpus() -> None:
    cpus = Cpus(tuple(range(8)), {c: c // 4 for c in range(8)}, frozenset({4}), {0: 1.0, 1: 1.0, 5: 2.0})
    assert assign(2, cpus, 0) == (2, 3)
    assert assign(3, cpus, 0) == (2, 3, 0)
    assert assign(2, cpus, 1) == (6, 7)
    assert assign(4, cpus, 1) == (6, 7, 5, 2)


def test_a_core_gets_its_second_queue_when_every_core_has_one() -> None:
    # CPUs 0 and 1 are threads of one core, and so on.
    cpus = Cpus(tuple(range(8)), threads={c: c % 2 for c in range(8)})
    assert assign(4, cpus) == (0, 2, 4, 6)
    assert assign(6, cpus) == (0, 2, 4, 6, 1, 3)
    assert assign(4, replace(cpus, load=dict.fromkeys((0, 2, 4, 6), 1.0))) == (1, 3, 5, 7)


def test_a_nic_with_an_interrupt_for_every_cpu_needs_no_rps() -> None:
    cpus = Cpus((0, 1, 2, 3))
    full = Nic("e", Channels(4), Channels(8), irqs=irqs_of({n: f"e-TxRx-{n}" for n in range(4)}))
    made = plan(full, cpus)
    assert made.rps == ((), (), (), ()) and made.irqs == {0: 0, 1: 1, 2: 2, 3: 3}
    few = replace(full, irqs=full.irqs[:2])
    assert plan(few, cpus).rps == ((0,), (1,), (2,), (3,)) and plan(few, cpus).irqs == {0: 0, 1: 1}
    assert plan(full, cpus, Wish(2)).rps == ((0, 2), (1, 3))
    single = Nic("v", Channels(rx=1, tx=1), Channels(rx=1, tx=1))
    assert (plan(single, cpus).rps, plan(single, cpus).xps) == (((0, 1, 2, 3),), ((),))


def test_rfs_shares_one_table_and_is_refused_softly() -> None:
    nic = Nic("e", Channels(3), Channels(4), flows=True)
    made = plan(nic, Cpus((0, 1, 2)), Wish(3, flows=True))
    assert (made.flow_count, made.flow_table) == (8192, 32768)
    assert plan(nic, Cpus((0, 1, 2)), Wish(3)).flow_table == 0
    assert "RFS" in "".join(plan(replace(nic, flows=False), Cpus((0,)), Wish(flows=True)).notes)
    with pytest.raises(Impossible, match="threaded NAPI"):
        plan(nic, Cpus((0,)), Wish(threaded=True))


@pytest.mark.parametrize(
    ("names", "queues"),
    [
        (["virtio3-config", "virtio3-input.0", "virtio3-output.0", "virtio3-input.1"], [None, 0, 0, 1]),
        (["eth0", "eth0-TxRx-0", "eth0-TxRx-1"], [None, 0, 1]),
        (["i40e-ens1-TxRx-0", "i40e-ens1-TxRx-1", "i40e-0000:01:00.0:misc"], [0, 1, None]),
        (["ens5-Tx-Rx-0", "ens5-Tx-Rx-1", "ena-mgmnt@pci:0000:00:05.0"], [0, 1, None]),
        (["mlx5_async0@pci:0000:3b:00.0", "mlx5_comp0@pci:0000:3b:00.0", "mlx5_comp1@pci:0000:3b:00.0"], [None, 0, 1]),
        (["eno1-rx-1", "eno1-rx-2", "eno1-tx-1", "eno1-tx-2"], [0, 1, 0, 1]),
        (["eth4-fp-0", "eth4-fp-1"], [0, 1]),
    ],
)
def test_an_interrupt_tells_its_queue(names: list[str], queues: list[int | None]) -> None:
    assert [irq.queue for irq in irqs_of(dict(enumerate(names)))] == queues


@given(st.sets(st.integers(0, MOST_CPUS - 1)))
def test_cpus_are_written_as_the_kernel_writes_them(cpus: set[int]) -> None:
    assert cpu_list(cpu_ranges(cpus)) == cpus_of(mask_of(cpus)) == tuple(sorted(cpus))


def test_masks_as_in_the_kernel_documentation() -> None:
    assert (mask_of([0, 1]), mask_of([33]), mask_of([])) == ("00000003", "00000002,00000000", "00000000")
    assert cpu_ranges([0, 1, 2, 8]) == "0-2,8" and cpu_list("0-2,8\n") == (0, 1, 2, 8)


def test_queues_of_an_instance_type() -> None:
    for found in INSTANCE_TYPES.values():
        assert found.queues == {1: 1, 2: 2, 3: 2}.get(found.cpu, 4) <= found.cpu


@given(st.integers(0, 9), st.integers(1, 8), st.integers(1, 256))
def test_an_interface_has_what_was_asked_within_type_and_vcpus(asked: int, type_queues: int, cpus: int) -> None:
    queues = queues_for(asked, type_queues, cpus)
    assert 1 <= queues <= min(type_queues, cpus) and (not asked or queues <= asked)
    assert asked or queues == min(type_queues, cpus)


@given(st.dictionaries(st.integers(0, 255), st.integers(0, 10**6), min_size=1), st.integers(1, 256))
@example({0: 4000, 1: 0, 2: 0, 3: 0}, 4)
def test_a_spread_is_judged_within_its_bounds(counts: dict[int, int], wanted: int) -> None:
    found = spread(counts, wanted)
    if sum(counts.values()) < 1000:
        assert found.verdict == "idle"
        return
    assert 0 <= found.gini < 1 and 1 - 1e-9 <= found.busiest <= len(counts) + 1e-9
    assert spread(dict.fromkeys(counts, 5000), len(counts)).verdict == "even"


def test_verdicts() -> None:
    assert spread({0: 4000, 1: 0, 2: 0, 3: 0}, 4).verdict == "one cpu"
    assert spread({0: 900, 1: 1000, 2: 1100, 3: 1000}, 4).verdict == "even"
    assert spread({0: 3000, 1: 500, 2: 300, 3: 200}, 4).verdict == "uneven"
    assert spread({0: 2000, 1: 2000, 2: 10, 3: 0}, 4).verdict == "uneven"
    assert spread({0: 2000, 1: 2000, 2: 10, 3: 0}, 2).verdict == "even"
    four = spread({0: 4000, 1: 0, 2: 0, 3: 0}, 4)
    assert (four.busiest, four.gini, four.busy) == (4.0, 0.75, 1)
