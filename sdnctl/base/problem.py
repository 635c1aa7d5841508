"""A problem stops a command with words that say what to do and an exit code, never with a traceback."""


class Problem(Exception):
    """The request was refused, or could not be carried out."""

    code = 1
    status = "FAILED"
    """The word by which a program tells it from others."""


class Usage(Problem):
    """The command was called wrongly, or nothing runs that could answer it."""

    code = 2
    status = "USAGE"
