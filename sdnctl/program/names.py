"""The names of tables and register bits, for readers of flows (``of.text``, explain, docs)."""

from sdnctl.of.fields import REG
from sdnctl.of.text import Bits
from sdnctl.program.declared import Barrier, Spread
from sdnctl.program.pipeline import Pipeline


class Names:
    """The names behind the numbers of one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def table(self, id: int) -> str:
        """The name of a table, or its number."""
        try:
            return self._pipeline.by_id(id).name
        except KeyError:
            return str(id)

    def group(self, id: int) -> str:
        """The name of a barrier or spread, or the number of another group."""
        declared: tuple[Barrier | Spread, ...] = (*self._pipeline.barriers, *self._pipeline.spreads)
        return next((one.name for one in declared if one.number == id), str(id))

    def register(self, table: int, register: int, mask: int) -> tuple[Bits, ...]:
        """The fields that have some of these bits of a register in the stage of a table."""
        try:
            stage = self._pipeline.stage_of(table).number
        except KeyError:
            return ()
        found = (
            Bits(alive.name, alive.field.shift, alive.field.width, alive.show)
            for alive in self._pipeline.fields.values()
            if alive.field.home is REG[register] and alive.first <= stage <= alive.last
        )
        return tuple(sorted((bits for bits in found if bits.mask & mask), key=lambda bits: bits.shift))
