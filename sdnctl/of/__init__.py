"""What the switch is told, as plain bytes: fields, actions, flows, meters, groups and messages of OpenFlow 1.4.

Everything here is pure, needs the standard library only and speaks OpenFlow 1.4 (wire version 5) with the Open vSwitch
extensions. Addresses and numbers are ints in host order; what leaves is network order.
"""
