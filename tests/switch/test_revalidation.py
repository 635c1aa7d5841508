"""Changes whose promise is that packets stop are confirmed when the data path obeys; others are not kept waiting."""

from sdnctl.engine.desired import Desired, Touched
from sdnctl.of.actions import output
from sdnctl.of.fields import IN_PORT
from sdnctl.of.flow import Flow, flow
from sdnctl.switch.commands import Command, Confirmed, Revalidate, Send
from sdnctl.switch.session import Session
from tests.switch.test_session import Script, change, wanted

RULES, OTHERS = 7, 0


def rule(number: int, to: int = 9) -> Flow:
    return flow(RULES, 100, {IN_PORT: number}, [output(to)])


def other(number: int) -> Flow:
    return flow(OTHERS, 100, {IN_PORT: number}, [output(9)])


def live(*things: Flow) -> tuple[Script, Desired]:
    """A session in agreement with a switch, which has confirmed sequence 1 after its first question."""
    desired = wanted(*things)
    session = Session(desired, 1, 60.0, frozenset({RULES}))
    session.tick(0.0)
    script = Script(session, session.connected())
    assert script.answer(wanted(*things)) == [Revalidate(1)], "nobody knows when the switch got what it has"
    assert session.busy
    assert session.revalidated(1) == [Confirmed(1)]
    assert not session.busy
    return script, desired


def sends(script: Script, touched: Touched, sequence: int) -> list[Command]:
    """What a change leads to, up to the switch's answer."""
    script.sent = script.session.update(touched, sequence)
    return [one for one in script.agree() if not isinstance(one, Send)]


def test_a_change_where_packets_stop_waits_for_the_data_path() -> None:
    script, desired = live(rule(1), other(1))
    removed, added, changed = ((), [rule(1)]), ([rule(2)], ()), ([rule(2, to=8)], [rule(2)])
    for number, (new, old) in enumerate((removed, added, changed), 2):
        assert sends(script, change(desired, new, old), number) == [Revalidate(number)]
        assert script.session.busy
        assert script.session.revalidated(number) == [Confirmed(number)]
        assert not script.session.busy


def test_another_change_does_not_wait() -> None:
    script, desired = live(rule(1), other(1))
    assert sends(script, change(desired, [other(2)], [other(1)]), 2) == [Confirmed(2)]


def test_confirmations_keep_their_order() -> None:
    script, desired = live(rule(1), other(1))
    assert sends(script, change(desired, old=[rule(1)]), 2) == [Revalidate(2)]
    assert sends(script, change(desired, [other(2)]), 3) == [], "it needs no waiting, but it is later"
    assert script.session.revalidated(2) == [Confirmed(2), Confirmed(3)]


def test_one_waiting_serves_many_changes_and_never_one_that_came_after_it_began() -> None:
    script, desired = live(*(rule(n) for n in range(1, 10)))
    assert sends(script, change(desired, old=[rule(1)]), 2) == [Revalidate(2)]
    for number in range(2, 10):
        assert sends(script, change(desired, old=[rule(number)]), number + 1) == []
    assert script.session.revalidated(2) == [Confirmed(2), Revalidate(3)]
    assert script.session.revalidated(2) == [], "an answer to a question of before"
    assert script.session.revalidated(3) == [Confirmed(number) for number in range(3, 11)]
    assert not script.session.busy


def test_the_next_change_is_sent_meanwhile() -> None:
    script, desired = live(rule(1), rule(2))
    assert sends(script, change(desired, old=[rule(1)]), 2) == [Revalidate(2)]
    assert any(isinstance(one, Send) for one in script.session.update(change(desired, old=[rule(2)]), 3))


def test_a_lost_connection_confirms_nothing() -> None:
    script, desired = live(rule(1))
    assert sends(script, change(desired, old=[rule(1)]), 2) == [Revalidate(2)]
    script.session.disconnected()
    assert script.session.revalidated(2) == []
    script.sent = script.session.connected()
    assert script.answer(wanted()) == [Revalidate(3)], "the next session waits for it"
    assert script.session.revalidated(3) == [Confirmed(2)]


def test_without_such_tables_nothing_waits() -> None:
    desired = wanted(rule(1))
    session = Session(desired, 1)
    session.tick(0.0)
    script = Script(session, session.connected())
    assert script.answer(wanted(rule(1))) == [Confirmed(1)]
    assert sends(script, change(desired, old=[rule(1)]), 2) == [Confirmed(2)]
