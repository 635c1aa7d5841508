"""What everything stands on: addresses, errors, logs, paths, processes, and how declarations are found."""
