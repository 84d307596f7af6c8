"""Which numbered batches have been seen: a low-water mark and a bit set above it, for two epochs a source.

| the sequence is | and | verdict | then |
|---|---|---|---|
| at or below the low-water mark | | duplicate (before the first one seen: ambiguous) | |
| at most 1,024 above it | its bit is set | duplicate | |
| at most 1,024 above it | its bit is clear | new | set it; move the mark up over set bits |
| more than 1,024 above it | | ambiguous | kept aside: it may be a repeat that can no longer be told |
| of the epoch before | | as above, in the set of that epoch | |
| of an older epoch | | ambiguous | |
| of a newer epoch | | new | the sets move on: current becomes previous |

The first sequence of an epoch may be any number: the mark starts up to 1,024 below it, so that what it overtook on the
way is still taken. Numbers before the first are no gaps, and the mark gives them up when it must move on.
"""

from enum import Enum

import msgspec

REACH = 1024


class Verdict(Enum):
    """What to do with a batch."""

    NEW = "new"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"


class SeenSet(msgspec.Struct, array_like=True):
    """Sequences seen of one epoch: all up to `low`, and `low + 1 + i` where bit i of `above` (little-endian) is set."""

    epoch: int
    low: int
    above: bytes = b""
    first: int = 0

    def judge(self, sequence: int) -> Verdict:
        """Judge a sequence and remember it."""
        bits = self._give_up_before_first(int.from_bytes(self.above, "little"), sequence - REACH)
        place = sequence - self.low - 1
        if place < 0:
            return Verdict.AMBIGUOUS if sequence < self.first else Verdict.DUPLICATE
        if place >= REACH:
            return Verdict.AMBIGUOUS
        if bits >> place & 1:
            return Verdict.DUPLICATE
        self.first = min(self.first, sequence)
        self._keep(bits | 1 << place)
        return Verdict.NEW

    def gaps(self) -> int:
        """Return how many sequences below the highest one seen, and from the first one on, are missing."""
        bits = int.from_bytes(self.above, "little")
        unasked = max(self.first - self.low - 1, 0)
        return max(bits.bit_length() - unasked, 0) - (bits >> unasked).bit_count()

    def _keep(self, bits: int) -> None:
        """Store the bits, those that reach down to the mark as a higher mark."""
        full = (~bits & (bits + 1)).bit_length() - 1
        self.low += full
        bits >>= full
        self.above = bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def _give_up_before_first(self, bits: int, wanted_low: int) -> int:
        by = min(wanted_low, self.first - 1) - self.low
        if by > 0:
            self.low += by
            self._keep(bits >> by)
            bits = int.from_bytes(self.above, "little")
        return bits


class Identity(msgspec.Struct, array_like=True):
    """What is known of the numbering of one source."""

    current: SeenSet | None = None
    previous: SeenSet | None = None

    def judge(self, epoch: int, sequence: int) -> Verdict:
        """Judge the batch with this number and remember it."""
        if self.current is None or epoch > self.current.epoch:
            self.previous = self.current
            self.current = SeenSet(epoch, max(sequence - REACH, 0) - 1, b"", sequence)
        if epoch == self.current.epoch:
            return self.current.judge(sequence)
        if self.previous is not None and epoch == self.previous.epoch:
            return self.previous.judge(sequence)
        return Verdict.AMBIGUOUS

    def gaps(self) -> int:
        """Return how many batches are missing, as far as the numbers tell."""
        return sum(seen.gaps() for seen in (self.current, self.previous) if seen is not None)
