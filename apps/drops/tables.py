"""Tables of drops that somebody watches: behind the one that counts every drop by its reason."""

from apps.pipeline import END, OUT_PORT, PORT, REASON

DROP_IN = END.table(
    "drop_in",
    "count the drop for the interface that it was for, if that is watched",
    after="drop",
    matches=[REASON, OUT_PORT],
    aside=True,
)
DROP_OUT = END.table(
    "drop_out",
    "count the drop for the interface that sent it, if that is watched",
    after="drop_in",
    matches=[REASON, PORT],
    aside=True,
)
