"""The flows of watches over drops."""

from apps.drops.model import DropWatch
from sdnctl.program.weight import weighs

REASONS_MOST = 48
FLOWS = weighs(DropWatch, 4 * REASONS_MOST)
"""Four for each reason at most, on the interface's own host; no more reasons than these are there."""
