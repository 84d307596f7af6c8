"""OPC UA: subscribe, take in what changes, acknowledge what is durable.

Session, subscription and what was received and not yet stored outlast an attempt. After a cut the next one goes on with
them, so that nothing is missing that the server still has. What cannot be gone on with is begun anew, and said.
"""

from collections.abc import Sequence
from typing import Any

import anyio
import msgspec

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.connectors.opcua import OpcUaSettings
from iot_edge_anomaly.connectors.opcua_calls import GoneError, name_of
from iot_edge_anomaly.connectors.opcua_items import subscribe
from iot_edge_anomaly.connectors.opcua_link import Link
from iot_edge_anomaly.connectors.opcua_messages import Notification
from iot_edge_anomaly.connectors.opcua_points import Point, find_points, limits_of
from iot_edge_anomaly.connectors.opcua_subscription import Subscription
from iot_edge_anomaly.connectors.opcua_values import Newest, Numbers, Told, batches_of, has_overflown, time_of
from iot_edge_anomaly.connectors.payload import unusable
from iot_edge_anomaly.connectors.topics import UNASSIGNED
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, SetAside
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.observability.signals import Level, Signal

GROUP = 512
"""Batches that are handed in at once."""

ANEW = Signal(
    "opcua_begun_anew",
    "the server did not go on with the subscription: changes in between may be missing",
    Level.WARNING,
)
STRANGERS = Signal("opcua_strangers", "values of variables that nobody asked for", Level.COUNTED)
OVERFLOWS = Signal("opcua_overflows", "values before which the server's queue was full and lost some", Level.COUNTED)
OVERFLOWING = Signal(
    "opcua_overflowing",
    "the server's queues were full and lost values; queue or keep_seconds may be raised",
    Level.ERROR,
)


class OpcUaConnector:
    """One request at a time: what is not taken in waits at the server."""

    def __init__(self, settings: OpcUaSettings) -> None:
        self._settings = settings
        self._link = Link(settings)
        self._subscription: Subscription | None = None
        self._numbers: Numbers | None = None
        self._newest = Newest()
        self._unstored: list[Batch] = []
        self._unacknowledged: tuple[Subscription, int] | None = None
        self._last_ns = 0
        self._told_of_overflow = False

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Take in what changes until cancelled; raises UnavailableError when the server or the intake is gone."""
        self._numbers = self._numbers or Numbers(self._settings.source(), clock.now_ns())
        try:
            try:
                await self._begin()
            finally:
                await self._store(intake)  # what came before the cut need not wait for the server
            await intake.accept([])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._link.keep_alive)
                await self._take_in(intake, clock)
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        except anyio.get_cancelled_exc_class():
            await self._link.leave()
            self._subscription = None
            raise
        finally:
            self._link.cut()

    async def _begin(self) -> None:
        is_resumed = await self._link.open()
        if self._subscription is not None:
            if await (self._subscription.is_kept() if is_resumed else self._subscription.transfer()):
                self._subscription.resume()
                return
            self._subscription = None
            ANEW.emit(url=self._settings.url)
        limits = await limits_of(self._link)
        points = await find_points(self._settings, self._link, limits)
        try:
            self._subscription = await subscribe(self._settings, self._link, points, limits)
        except UnavailableError:
            await self._link.leave()  # or subscriptions pile up at the server with every attempt
            raise

    async def _take_in(self, intake: Intake, clock: Clock) -> None:
        subscription = self._subscription
        assert subscription is not None
        while True:
            try:
                notification = await subscription.next()
            except GoneError:
                self._subscription = None
                ANEW.emit(url=self._settings.url)
                raise
            self._unstored = self._batches(subscription, notification, clock)
            self._unacknowledged = subscription, notification.sequence
            await self._store(intake)

    def _batches(self, subscription: Subscription, notification: Notification, clock: Clock) -> list[Batch]:
        # Values without a time are told apart by when they came: no two notifications may have come at once.
        self._last_ns = max(clock.now_ns(), self._last_ns + 1)
        assert self._numbers is not None
        if notification.unread:
            key = AssetKey(subscription.points[0].key.tenant, UNASSIGNED)
            why = "the notification cannot be understood"
            return [unusable(notification.unread, key, self._numbers.source, why, received_ns=self._last_ns)]
        told, overflown = list[Told](), 0
        for number, value in notification.values:
            if not 0 <= number < len(subscription.points):
                STRANGERS.emit()
                continue
            one = told_of(subscription.points[number], value)
            overflown += has_overflown(one.status)
            if self._newest.is_news(one):
                told.append(one)
        if overflown:
            self._tell_of_overflow(overflown)
        return batches_of(told, self._numbers, self._last_ns, name_of)

    def _tell_of_overflow(self, count: int) -> None:
        OVERFLOWS.emit(count)
        if not self._told_of_overflow:  # one line, not one a second
            self._told_of_overflow = True
            OVERFLOWING.emit(count, url=self._settings.url)

    async def _store(self, intake: Intake) -> None:
        """Store what was received, then let the server drop it."""
        while self._unstored:
            await self._store_group(intake, self._unstored[:GROUP])
            del self._unstored[:GROUP]
        if self._unacknowledged is not None:
            subscription, sequence = self._unacknowledged
            subscription.acknowledge(sequence)
            self._unacknowledged = None

    async def _store_group(self, intake: Intake, group: Sequence[Batch]) -> None:
        """Store batches; where they are too large at once, one by one, setting aside what is too large alone."""
        try:
            await intake.accept(group)
        except RejectedError as error:
            if len(group) > 1:
                for batch in group:
                    await self._store_group(intake, [batch])
                return
            await intake.accept([_too_large(group[0], str(error))])


def _too_large(batch: Batch, why: str) -> Batch:
    """Return a batch of the same number that holds nothing but how many values were set aside."""
    aside = SetAside(-1, "", why, b"", batch.accepted)
    return msgspec.structs.replace(
        batch, sensors=(), time_ns=b"", sensor=b"", value=b"", quality=b"", set_aside=(aside,)
    )


def told_of(point: Point, value: Any) -> Told:
    """Return what a DataValue of the library says."""
    status = 0 if value.StatusCode is None else int(value.StatusCode.value)
    at = time_of(value.SourceTimestamp, value.ServerTimestamp)
    content = value.Value
    if content is not None and len(content.Dimensions or ()) > 1:
        return Told(point.key, point.sensor, [content.Value], status, at)
    return Told(point.key, point.sensor, None if content is None else content.Value, status, at)
