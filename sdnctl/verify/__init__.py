"""A proof of where packets can get: a symbolic walk over the computed tables of whole networks."""
