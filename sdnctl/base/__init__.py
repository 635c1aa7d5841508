"""The base of every room: addresses, errors, logs, paths, processes, and the discovery of declarations."""
