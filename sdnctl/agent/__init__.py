"""One host's controller: the thread that owns engine and session, what the host can reach, its reports and counters."""
