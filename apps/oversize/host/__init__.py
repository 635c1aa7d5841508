"""The fragmenter: a program beside the switch."""
