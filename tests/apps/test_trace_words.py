"""A trace on the command line tells things by their names too, behind their ids."""

from apps.trace.cli import named

NAMES = {"i-2": "db", "subnet-3": "front", "vpc-4": "shop"}


def test_each_id_has_its_name_behind_it() -> None:
    assert named("in subnet-3 of vpc-4", NAMES) == "in subnet-3 (front) of vpc-4 (shop)"
    assert named("port-1 (instance i-2) sends", NAMES) == "port-1 (instance i-2, db) sends"
    assert named("the same subnet, subnet-3 (10.0.0.0/24)", NAMES) == "the same subnet, subnet-3 (front, 10.0.0.0/24)"
    assert named("i-25 is another one", NAMES) == "i-25 is another one"


def test_what_has_no_name_stays() -> None:
    assert named("port-1 sends", {}) == "port-1 sends"
