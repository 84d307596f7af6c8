"""Have variables of an OPC UA server watched: a subscription, and an item with a queue for each of them."""

from collections.abc import Sequence

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from iot_edge_anomaly.connectors.opcua import OpcUaSettings
from iot_edge_anomaly.connectors.opcua_calls import CALL_SECONDS, asked, name_of, understood
from iot_edge_anomaly.connectors.opcua_link import Link
from iot_edge_anomaly.connectors.opcua_messages import LAST_NUMBER
from iot_edge_anomaly.connectors.opcua_points import Limits, Point
from iot_edge_anomaly.connectors.opcua_subscription import Subscription
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.signals import Level, Signal

KEEP_ALIVE_SECONDS = 5.0
"""How often a server is asked to say that it has nothing to say."""

MOST_VALUES = 5_000
"""A notification; a server that sends more at once is not refused."""

_BAD = 2
_NO_FILTER = frozenset(
    (
        ua.StatusCodes.BadFilterNotAllowed,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
    )
)

REFUSED = Signal("opcua_refused", "variables cannot be subscribed to; the others are", Level.WARNING)


async def subscribe(settings: OpcUaSettings, link: Link, points: Sequence[Point], limits: Limits) -> Subscription:
    """Subscribe to all points. Raises UnavailableError when the server takes none of them."""
    request = ua.CreateSubscriptionRequest()
    request.Parameters = _wanted(settings)
    content = await link.send(request, "a subscription")
    with understood("a subscription"):
        response = struct_from_binary(ua.CreateSubscriptionResponse, content)
        response.ResponseHeader.ServiceResult.check()
        subscription = Subscription(link, points, response.Parameters)
    refused = await _watch(settings, link, subscription, limits)
    if len(refused) == len(points):
        why = refused[0] if refused else "none was found"
        raise UnavailableError(f"the OPC UA server has none of the variables: {why}")
    if refused:
        REFUSED.emit(len(refused), first="; ".join(refused[:3])[:500])
    return subscription


def _wanted(settings: OpcUaSettings) -> ua.CreateSubscriptionParameters:
    cycle = settings.publish_seconds
    parameters = ua.CreateSubscriptionParameters()
    parameters.RequestedPublishingInterval = cycle * 1000
    parameters.RequestedMaxKeepAliveCount = max(1, round(KEEP_ALIVE_SECONDS / cycle))
    parameters.RequestedLifetimeCount = max(
        3 * parameters.RequestedMaxKeepAliveCount, min(round(settings.keep_seconds / cycle), LAST_NUMBER)
    )
    parameters.MaxNotificationsPerPublish = MOST_VALUES
    parameters.PublishingEnabled = True
    return parameters


async def _watch(settings: OpcUaSettings, link: Link, subscription: Subscription, limits: Limits) -> list[str]:
    """Have all points watched; return what the server says of those that it does not."""
    refused = list[str]()
    numbers = range(len(subscription.points))
    for first in range(0, len(numbers), limits.items):
        part = numbers[first : first + limits.items]
        answers = await _create(settings, link, subscription, part, filtered=True)
        if again := [number for number, status in answers if status in _NO_FILTER]:  # a dead band is of numbers alone
            answers = [each for each in answers if each[1] not in _NO_FILTER]
            answers += await _create(settings, link, subscription, again, filtered=False)
        refused += [
            f"{subscription.points[number]}: {name_of(status)}" for number, status in answers if status >> 30 >= _BAD
        ]
    return refused


async def _create(
    settings: OpcUaSettings, link: Link, subscription: Subscription, numbers: Sequence[int], *, filtered: bool
) -> list[tuple[int, int]]:
    """Ask for items, and return the status of each by its number."""
    parameters = ua.CreateMonitoredItemsParameters()
    parameters.SubscriptionId = subscription.id
    parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    parameters.ItemsToCreate = [
        _item(settings, number, subscription.points[number], filtered=filtered) for number in numbers
    ]
    with asked("variables to be watched", 3 * CALL_SECONDS):
        results = await link.session.create_monitored_items(parameters)
        if len(results) != len(numbers):
            raise ua.UaError("other answers than questions")
        return [(number, int(result.StatusCode.value)) for number, result in zip(numbers, results, strict=True)]


def _item(settings: OpcUaSettings, number: int, point: Point, *, filtered: bool) -> ua.MonitoredItemCreateRequest:
    wanted = ua.MonitoringParameters()
    wanted.ClientHandle = number + 1
    wanted.SamplingInterval = settings.sample_seconds * 1000
    wanted.QueueSize = settings.queue
    wanted.DiscardOldest = True
    if filtered and (settings.dead_band or settings.unchanged):
        wanted.Filter = _filter(settings)
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor.NodeId = point.node
    request.ItemToMonitor.AttributeId = ua.AttributeIds.Value
    request.MonitoringMode = ua.MonitoringMode.Reporting
    request.RequestedParameters = wanted
    return request


def _filter(settings: OpcUaSettings) -> ua.DataChangeFilter:
    change = ua.DataChangeFilter()
    change.Trigger = (
        ua.DataChangeTrigger.StatusValueTimestamp if settings.unchanged else ua.DataChangeTrigger.StatusValue
    )
    change.DeadbandType = ua.DeadbandType.Absolute if settings.dead_band else ua.DeadbandType.None_
    change.DeadbandValue = settings.dead_band
    return change
