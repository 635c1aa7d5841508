"""The border between the machine and the features: whatever a feature's function raises becomes a FeatureError here.

This is the one place that catches every exception.  A wrong feature can raise anything, and none of it may stop the
units, values, packets and counters of the others.
"""

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from sdnctl.base.errors import FeatureError

R = TypeVar("R")


def guarded(function: Callable[..., Any], resource: object, run: Callable[[], R], name: str = "") -> R:
    """The result of ``run``, which calls a feature's ``function`` for a resource; ``name`` where it has another name.

    Raises FeatureError, with the line of the feature's code that failed, for whatever that raises.  One that says
    already whose it is, as a derived value's does, passes as it is.
    """
    try:
        return run()
    except Exception as fault:
        if isinstance(fault, FeatureError) and fault.feature:
            raise
        said = str(fault) if isinstance(fault, FeatureError) else f"{type(fault).__name__}: {fault}"
        raise FeatureError(said, name or name_of(function), str(resource), _line(fault, function)) from fault


def name_of(function: Callable[..., Any]) -> str:
    """A feature's function as people know it: MODULE.FUNCTION, without the package of all features."""
    return f"{function.__module__.removeprefix('apps.')}.{getattr(function, '__name__', 'value')}"


def _line(fault: Exception, function: Callable[..., Any]) -> str:
    """The innermost line of the function's own folder, else of anybody, as FOLDER/FILE:LINE."""
    frames = traceback.extract_tb(fault.__traceback__)
    code = getattr(function, "__code__", None)
    folder = _folder(code.co_filename) if code is not None else ""
    own = [frame for frame in frames if _folder(frame.filename) == folder]
    last = (own or frames)[-1]
    return f"{'/'.join(last.filename.split('/')[-2:])}:{last.lineno}"


def _folder(file: str) -> str:
    return file.rpartition("/")[0]
