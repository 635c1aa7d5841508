"""A network as a file: what there shall be, by names, compared with what there is, and only the difference carried out.

``schema`` says how a feature declares its section of the file, ``order`` puts the sections in order.  ``text`` reads a
file, ``live`` reads the region, both into the same ``Item`` by the same keys; ``difference`` compares them, ``tasks``
carries out what differs, ``export`` writes what is there as a file.  ``commands`` are ``sdnctl apply`` and ``export``.

A file says only what matters to it: a key that is left out leaves things as they are; a list that is given is the
whole list; what the file does not name at all is deleted only if asked for.
"""
