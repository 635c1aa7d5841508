"""How a resource is declared, and the records of the machine itself: hosts, bindings, accounts, leases."""
