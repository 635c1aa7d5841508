"""From changed records to what the switch should have: keys, units, and a ledger of what each unit gave."""
