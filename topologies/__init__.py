"""Named networks, from what a tenant asks for down to virtual machines that exchange real packets.

`scenarios` says what is wanted (plain data), `cloud` builds it on Mininet with a private Open vSwitch and a running
`sdnctl up`, `demo` shows it. Demo, tests and bench use the same ones.
"""
