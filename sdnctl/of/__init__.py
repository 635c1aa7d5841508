"""OpenFlow 1.4 as plain bytes: fields, actions, flows, meters, groups and messages.

Everything here is pure, needs the standard library only and speaks OpenFlow 1.4 (wire version 5) with the Open vSwitch
extensions. Addresses and numbers are ints in host order; what leaves is network order.
"""
