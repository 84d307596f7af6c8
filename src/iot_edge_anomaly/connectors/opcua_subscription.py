"""A subscription at an OPC UA server, which outlives connections and sessions: its notifications in order, each once.

The server keeps a notification until it is acknowledged, and sends it again when asked. One request to publish is under
way at a time: while nobody takes, the server's queues fill, and nothing here does.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from iot_edge_anomaly.connectors.opcua_calls import CALL_SECONDS, GoneError, RefusedError, asked, name_of
from iot_edge_anomaly.connectors.opcua_link import Link
from iot_edge_anomaly.connectors.opcua_messages import (
    Answer,
    Notification,
    after,
    distance,
    numbers_from,
    read_again,
    read_published,
)
from iot_edge_anomaly.connectors.opcua_points import Point
from iot_edge_anomaly.observability.signals import Level, Signal

MOST_MISSING = 1_000
"""Notifications that are asked for once more, one after the other; a server keeps no more."""

_NOT_HERE = frozenset((ua.StatusCodes.BadMessageNotAvailable, ua.StatusCodes.BadSequenceNumberUnknown))
_NO_SUBSCRIPTION = frozenset((ua.StatusCodes.BadNoSubscription, ua.StatusCodes.BadSubscriptionIdInvalid))

RESENT = Signal("opcua_resent", "notifications that had not arrived and came when asked for", Level.COUNTED)
MISSED = Signal("opcua_missed", "notifications are missing: the server has them no more", Level.ERROR)


class Subscription:
    """One subscription; `points` tells which variable has which number."""

    def __init__(self, link: Link, points: Sequence[Point], told: ua.CreateSubscriptionResult) -> None:
        self.points = points
        self.id = int(told.SubscriptionId)
        cycle = float(told.RevisedPublishingInterval) / 1000
        self._silent_seconds = 2 * cycle * (int(told.RevisedMaxKeepAliveCount) + 2) + CALL_SECONDS
        self._link = link
        self._following = 1
        self._acknowledged: list[int] = []
        self._missing: deque[int] = deque()
        self._ahead: Answer | None = None

    async def transfer(self) -> bool:
        """Take it over into a new session; tell whether the server did so."""
        parameters = ua.TransferSubscriptionsParameters()
        parameters.SubscriptionIds = [self.id]
        try:
            with asked("to go on with a subscription"):
                (result,) = await self._link.session.transfer_subscriptions(parameters)
        except RefusedError:
            return False
        return bool(result.StatusCode.is_good())

    async def is_kept(self) -> bool:
        """Tell whether the server still has it; some say nothing at all of one that they have not."""
        parameters = ua.SetPublishingModeParameters()
        parameters.PublishingEnabled = True
        parameters.SubscriptionIds = [self.id]
        try:
            with asked("to go on with a subscription"):
                (status,) = await self._link.session.set_publishing_mode(parameters)
        except RefusedError as error:
            return error.status not in _NO_SUBSCRIPTION
        return not status.is_bad()

    def resume(self) -> None:
        """Ask first for what was sent and did not arrive."""
        self._missing = deque([self._following])
        self._ahead = None

    def acknowledge(self, sequence: int) -> None:
        """Let the server drop a notification, with the next request."""
        self._acknowledged.append(sequence)

    async def next(self) -> Notification:
        """Return the next notification; waits for it. Raises GoneError when the subscription is no more."""
        while True:
            if self._missing:
                found = await self._once_more()
            elif self._ahead is not None:
                found = self._came_ahead()
            else:
                found = await self._published()
            if found is not None:
                self._go_on_to(found.sequence)
                self._following = after(found.sequence)
                return found

    async def _once_more(self) -> Notification | None:
        """Ask for the first notification that is missing; after a cut, nobody knows how many are."""
        found = await self._again(self._missing.popleft())
        if found is not None:
            RESENT.emit()
        if found is not None and not self._missing and self._ahead is None:
            self._missing.append(after(found.sequence))
        return found

    def _came_ahead(self) -> Notification | None:
        """Return what came before what was missing had come."""
        assert self._ahead is not None
        answer, self._ahead = self._ahead, None
        self._go_on_to(answer.sequence)
        return answer.notification

    def _go_on_to(self, sequence: int) -> None:
        if (lost := distance(self._following, sequence)) > 0:
            MISSED.emit(lost)
        self._following = sequence

    async def _published(self) -> Notification | None:
        """Wait for what the server sends; None when it is nothing, or out of turn."""
        acknowledged = list(self._acknowledged)
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(self.id, number) for number in acknowledged
        ]
        content = await self._sent(request, "to tell what changed", self._silent_seconds)
        if content is None:
            return None
        answer = read_published(content)
        del self._acknowledged[: len(acknowledged)]
        if answer.subscription != self.id:
            return None
        ahead = distance(self._following, answer.sequence)
        if ahead == 0:
            return answer.notification
        if ahead > 0:
            self._note_missing(answer, ahead)
        elif answer.notification is not None:
            self.acknowledge(answer.sequence)  # it came before
        return None

    def _note_missing(self, answer: Answer, count: int) -> None:
        """Something was sent before this that did not arrive: ask for that first."""
        if count <= MOST_MISSING:
            numbers = numbers_from(self._following, count)
        else:
            numbers = [number for number in answer.available if 0 <= distance(self._following, number) < count]
        self._missing = deque(numbers[:MOST_MISSING])
        self._ahead = answer

    async def _again(self, sequence: int) -> Notification | None:
        """Ask for a notification once more; None when the server has it no more, or not yet."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = self.id
        request.Parameters.RetransmitSequenceNumber = sequence
        content = await self._sent(request, "to tell once more what changed")
        return None if content is None else read_again(content, sequence)

    async def _sent(self, request: Any, what: str, seconds: float | None = None) -> Any:
        """Return the answer to a request; None when the server has nothing to say."""
        try:
            return await self._link.send(request, what, seconds)
        except RefusedError as error:
            if error.status in _NO_SUBSCRIPTION:
                raise GoneError(f"the OPC UA server has dropped the subscription: {name_of(error.status)}") from error
            if error.status in _NOT_HERE or error.status == ua.StatusCodes.BadTimeout:
                return None
            raise
