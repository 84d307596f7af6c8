"""Notifications come in order, each once, whatever of them was lost on the way and as long as the server has them."""

import asyncio
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ua = pytest.importorskip("asyncua", reason="no asyncua here; run: make setup").ua
from asyncua.ua.ua_binary import struct_to_binary  # noqa: E402

from iot_edge_anomaly.connectors.opcua_buffer import CarefulBuffer  # noqa: E402
from iot_edge_anomaly.connectors.opcua_calls import RefusedError  # noqa: E402
from iot_edge_anomaly.connectors.opcua_subscription import Subscription  # noqa: E402
from iot_edge_anomaly.core.errors import UnavailableError  # noqa: E402
from iot_edge_anomaly.observability.metrics import REGISTRY  # noqa: E402


class ServersSide:
    """What the standard says a server does with a subscription: number, keep until acknowledged, send again.

    `fates` says of each answer in turn whether it arrives, is lost with the connection, or is lost without a word.
    """

    def __init__(self, fates: list[str], kept: int) -> None:
        self._fates = deque(fates)
        self._kept_at_most = kept
        self._number = 0
        self.kept: dict[int, Any] = {}
        self.evicted: set[int] = set()

    async def send(self, request: Any, what: str, seconds: float | None = None) -> Any:
        answer = self._published(request) if isinstance(request, ua.PublishRequest) else self._again(request)
        fate = self._fates.popleft() if self._fates else "arrives"
        if fate == "cut":
            raise UnavailableError("the connection is cut")
        if fate == "swallowed":
            return await self.send(request, what, seconds)
        return CarefulBuffer(bytes(struct_to_binary(answer)))

    def _published(self, request: Any) -> Any:
        for acknowledged in request.Parameters.SubscriptionAcknowledgements:
            self.kept.pop(acknowledged.SequenceNumber, None)
        self._number += 1
        message = ua.NotificationMessage()
        message.SequenceNumber = self._number
        item = ua.MonitoredItemNotification(ClientHandle=1, Value=ua.DataValue(float(self._number)))
        message.NotificationData = [ua.DataChangeNotification(MonitoredItems=[item])]
        self.kept[self._number] = message
        if len(self.kept) > self._kept_at_most:
            oldest = min(self.kept)
            del self.kept[oldest]
            self.evicted.add(oldest)
        answer = ua.PublishResponse()
        answer.Parameters.SubscriptionId = 7
        answer.Parameters.AvailableSequenceNumbers = sorted(self.kept)
        answer.Parameters.NotificationMessage = message
        return answer

    def _again(self, request: Any) -> Any:
        message = self.kept.get(request.Parameters.RetransmitSequenceNumber)
        if message is None:
            raise RefusedError("not available", ua.StatusCodes.BadMessageNotAvailable)
        answer = ua.RepublishResponse()
        answer.NotificationMessage = message
        return answer


def missed() -> float:
    return REGISTRY.get_sample_value("iea_opcua_missed_total") or 0.0


@given(
    st.lists(st.sampled_from(["arrives", "arrives", "cut", "swallowed"]), max_size=40),
    st.sampled_from([1, 2, 5, 1000]),
    st.integers(1, 20),
)
def test_in_order_each_once_and_what_is_missing_is_what_the_server_dropped(
    fates: list[str], kept: int, wanted: int
) -> None:
    async def scenario() -> list[int]:
        subscription = Subscription(server, [], told)  # type: ignore[arg-type]
        taken = list[int]()
        while len(taken) < wanted:
            try:
                notification = await subscription.next()
            except UnavailableError:
                subscription.resume()
                continue
            assert [value.Value.Value for _, value in notification.values] == [notification.sequence]
            taken.append(notification.sequence)
            subscription.acknowledge(notification.sequence)
        return taken

    server = ServersSide(fates, kept)
    told = ua.CreateSubscriptionResult(SubscriptionId=7, RevisedPublishingInterval=1.0, RevisedMaxKeepAliveCount=1)
    before = missed()
    taken = asyncio.run(scenario())
    assert taken == sorted(set(taken))
    lost = set(range(1, taken[-1])) - set(taken)
    assert lost <= server.evicted
    assert missed() == before + len(lost)
