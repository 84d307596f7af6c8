"""Who still lacks a mail that others have already, so that only they get another try. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

PATIENCE_SECONDS = 360.0
"""Longer than the five minutes that servers ask for which do not know us yet. Later mails wait meanwhile."""

MOST_MAILS = 1024
"""So many are remembered; of one that is forgotten all get another copy."""

Refused = Mapping[str, tuple[int, bytes]]
"""The recipients that a server did not take a mail for, and its answers."""


class _Begun(NamedTuple):
    lacking: tuple[str, ...]
    since: float


class Recipients:
    """The recipients of all mails, and of each mail that some have those who are still to get it.

    Who was waited for in vain is not waited for again until a mail is taken for them: else one full mailbox would hold
    up every mail to the others.
    """

    def __init__(self, everyone: tuple[str, ...]) -> None:
        self._everyone = everyone
        self._begun: dict[str, _Begun] = {}
        self._in_vain: frozenset[str] = frozenset()

    def of(self, mail_id: str) -> tuple[str, ...]:
        """Return who is to get a mail now."""
        begun = self._begun.get(mail_id)
        return begun.lacking if begun else self._everyone

    def is_begun(self, mail_id: str) -> bool:
        """Tell whether some have it, and others may get it yet."""
        return mail_id in self._begun

    def answered(self, mail_id: str, refused: Refused, now: float) -> list[str]:
        """Note the answer to a mail to those who were to get it; return who will never get it. `now` is in seconds."""
        asked, since = self.of(mail_id), now
        if (begun := self._begun.pop(mail_id, None)) is not None:
            since = begun.since
        later = {one for one, (code, _) in refused.items() if code < 500}
        is_over = now - since >= PATIENCE_SECONDS
        waited = frozenset() if is_over else later - self._in_vain
        self._in_vain = (self._in_vain | (later - waited)) - (set(asked) - set(refused))
        if waited:
            self._begun[mail_id] = _Begun(tuple(one for one in asked if one in waited), since)
            while len(self._begun) > MOST_MAILS:
                del self._begun[next(iter(self._begun))]
        return sorted(set(refused) - waited)
