"""Which numbered batches have been seen: a low-water mark and a bit set above it, for two epochs a source.

| the sequence is | and | verdict | then |
|---|---|---|---|
| at or below the mark | above all that was given up | duplicate | |
| at or below the mark | at or below the highest given up | ambiguous | it may have been seen, or not |
| at most 1,024 above the mark | its bit is set | duplicate | |
| at most 1,024 above the mark | its bit is clear | new | set it; the mark moves up over set bits |
| at most 1,024 above the highest seen | | new | the mark moves up to 1,024 below; what it passes unseen is given up |
| further above | the first time | ambiguous | remembered: a broken counter, or a sender that gave up a lot |
| further above | it follows the one remembered | new | as if it were near: the sender goes on from there |
| of the epoch before | | as above | in the set of that epoch |
| of an older epoch | | ambiguous | |
| of a newer epoch | | new | the sets move on: current becomes previous |

The first sequence of an epoch may be any number: the mark starts up to 1,024 below it, so that what it overtook on the
way is still taken. Numbers before the first are no gaps. A number given up stays a gap for ever.
"""

from enum import Enum

import msgspec

REACH = 1024
MOST_GAPS = 1 << 53
"""Gaps are counted up to here: what senders claim must not outgrow the numbers it is stored in."""


class Verdict(Enum):
    """What to do with a batch."""

    NEW = "new"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"


class SeenSet(msgspec.Struct, array_like=True):
    """Sequences seen of one epoch: those above `given_up` up to `low`, and `low + 1 + i` where bit i of `above` is set.

    `above` is little-endian; `lost` counts gaps up to `low`; `far` is the number that was too far ahead (-1: none).
    """

    epoch: int
    first: int
    low: int
    given_up: int
    above: bytes = b""
    lost: int = 0
    far: int = -1

    @classmethod
    def beginning(cls, epoch: int, first: int) -> "SeenSet":
        """Return the set of an epoch of which `first` is about to be seen."""
        low = max(first - REACH, -1)
        return cls(epoch, first, low, low)

    def judge(self, sequence: int) -> Verdict:
        """Judge a sequence and remember it."""
        if sequence == self.low + 1 and not self.above:
            self.low, self.first = sequence, min(self.first, sequence)
            return Verdict.NEW
        if sequence <= self.low:
            return Verdict.AMBIGUOUS if sequence <= self.given_up else Verdict.DUPLICATE
        if sequence > self._highest() + REACH and not 0 <= self.far < sequence <= self.far + REACH:
            self.far = sequence
            return Verdict.AMBIGUOUS
        self._move_up_to(sequence - REACH)
        bits, place = int.from_bytes(self.above, "little"), sequence - self.low - 1
        if bits >> place & 1:
            return Verdict.DUPLICATE
        self.first = min(self.first, sequence)
        self._keep(bits | 1 << place)
        return Verdict.NEW

    def gaps(self) -> int:
        """Return how many sequences below the highest one seen, and from the first one on, are missing."""
        bits = int.from_bytes(self.above, "little")
        before_first = max(self.first - self.low - 1, 0)
        return self.lost + max(bits.bit_length() - before_first, 0) - bits.bit_count()

    def _highest(self) -> int:
        return max(self.low + int.from_bytes(self.above, "little").bit_length(), self.first)

    def _move_up_to(self, low: int) -> None:
        """Move the mark up to at least `low`; what it passes unseen is given up."""
        passed = low - self.low
        if passed <= 0:
            return
        bits = int.from_bytes(self.above, "little")
        seen = bits & (1 << min(passed, REACH)) - 1
        self.lost += max(low - max(self.low, self.first - 1), 0) - seen.bit_count()
        self.given_up = max(self.given_up, _highest_clear(seen, self.low, low))
        self.low = low
        self._keep(bits >> passed)

    def _keep(self, bits: int) -> None:
        """Store the bits, those that reach down to the mark as a higher mark."""
        full = (~bits & (bits + 1)).bit_length() - 1
        self.low += full
        bits >>= full
        self.above = bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _highest_clear(bits: int, low: int, high: int) -> int:
    """Return the highest number above `low`, up to `high`, whose bit is clear; `low` where there is none."""
    clear = ~bits & (1 << min(high - low, REACH)) - 1
    return high if high - low > REACH else low + clear.bit_length()


class Identity(msgspec.Struct, array_like=True):
    """What is known of the numbering of one source. `lost` counts the gaps of epochs that are forgotten."""

    current: SeenSet | None = None
    previous: SeenSet | None = None
    lost: int = 0

    def judge(self, epoch: int, sequence: int) -> Verdict:
        """Judge the batch with this number and remember it."""
        if self.current is None or epoch > self.current.epoch:
            if self.previous is not None:
                self.lost = min(self.lost + self.previous.gaps(), MOST_GAPS)
            self.previous, self.current = self.current, SeenSet.beginning(epoch, sequence)
        if epoch == self.current.epoch:
            return self.current.judge(sequence)
        if self.previous is not None and epoch == self.previous.epoch:
            return self.previous.judge(sequence)
        return Verdict.AMBIGUOUS

    def gaps(self) -> int:
        """Return how many batches are missing, as far as the numbers tell."""
        known = sum(seen.gaps() for seen in (self.current, self.previous) if seen is not None)
        return min(self.lost + known, MOST_GAPS)
