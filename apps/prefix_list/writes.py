"""The blocks of prefix lists in the VPCs whose rules name them, within a transaction.

An operation that writes a rule with a list says so by ``uses``; one that removes a rule, or has it name the list no
more, says ``released`` afterwards.  Rules say of what class they are by ``names_lists`` (see ``facts``).
"""

from dataclasses import replace

from apps.prefix_list.facts import blocks_of, first_rule, naming
from apps.prefix_list.model import PrefixList, VpcPrefixes
from sdnctl.program.lifecycle import blocks
from sdnctl.store import Txn

IN_VPC = ("vpc", "prefix_list")


def uses(txn: Txn, vpc: str, prefix_list: str) -> None:
    """A rule of the VPC names the list: hosts of the VPC have its blocks from now on."""
    if not txn.by(VpcPrefixes, IN_VPC, (vpc, prefix_list)):
        id = txn.new_id(VpcPrefixes)
        txn.put(VpcPrefixes(id=id, vpc=vpc, prefix_list=prefix_list, blocks=blocks_of(prefix_list, txn)))


def released(txn: Txn, vpc: str, prefix_list: str) -> None:
    """A rule of the VPC is gone or names the list no more: without another one the VPC forgets the list's blocks."""
    if any(txn.by(one.of, IN_VPC, (vpc, prefix_list)) for one in naming()):
        return
    for id in sorted(txn.by(VpcPrefixes, IN_VPC, (vpc, prefix_list))):
        txn.delete(VpcPrefixes, id)


def altered(txn: Txn, prefix_list: str) -> None:
    """Entries of the list have been added, changed or removed: every VPC that has its blocks has the new ones."""
    now = blocks_of(prefix_list, txn)
    for known in txn.many(VpcPrefixes, sorted(txn.by(VpcPrefixes, ("prefix_list",), prefix_list))):
        txn.put(replace(known, blocks=now))


@blocks(PrefixList)
def named(found: PrefixList, txn: Txn) -> str:
    """A rule that names the list."""
    rule, holder = first_rule(found.id, txn)
    return f"{found.id} is named by rule {rule} of {holder}" if rule else ""
