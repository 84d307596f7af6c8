"""Which variables of an OPC UA server are which sensors: those that are named, and those that a branch has."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from asyncua import ua

from iot_edge_anomaly.connectors.opcua import MOST_POINTS, OpcUaBrowse, OpcUaSettings, checked_sensor
from iot_edge_anomaly.connectors.opcua_calls import asked, standard_node, understood
from iot_edge_anomaly.connectors.opcua_link import Link
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.observability.signals import Level, Signal

MOST_NODES = 200_000
"""Looked at in a branch; a larger one is no branch of a plant."""

NODES_A_CALL = 200
ITEMS_A_CALL = 1_000

_NOT_NUMBERS = frozenset((*range(12, 24), 25, 294))
"""Data types from String to DiagnosticInfo, and UtcTime; what a vendor's own types hold is seen when a value comes."""

LEFT_OUT = Signal(
    "opcua_left_out", "variables of a branch are left out: their names can be none of a sensor", Level.WARNING
)


class Point(NamedTuple):
    """A variable, and the sensor it is."""

    node: ua.NodeId
    key: AssetKey
    sensor: str

    def __str__(self) -> str:
        return f"{self.key}/{self.sensor} ({self.node.to_string()})"


class Limits(NamedTuple):
    """How much a server lets one call hold."""

    nodes: int = NODES_A_CALL
    items: int = ITEMS_A_CALL


async def limits_of(link: Link) -> Limits:
    """Ask for the limits; a server that tells none has ours."""
    ids = (
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
        ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    )
    with asked("its limits"):
        told = await link.session.read_attributes([standard_node(each) for each in ids], ua.AttributeIds.Value)
    browse, read, items = [_whole(each) for each in told]
    return Limits(
        min(browse or NODES_A_CALL, read or NODES_A_CALL, NODES_A_CALL), min(items or ITEMS_A_CALL, ITEMS_A_CALL)
    )


async def find_points(settings: OpcUaSettings, link: Link, limits: Limits) -> list[Point]:
    """Return all variables to subscribe to, each once. Raises UnavailableError when a branch cannot be looked at."""
    uris = await _namespaces(link)
    found = {
        (point.asset, point.sensor): Point(
            node_of(point.node, uris), AssetKey.parse(point.asset), checked_sensor(point.sensor)
        )
        for point in settings.points
    }
    for branch in settings.browse:
        for point in await _branch(branch, link, limits, node_of(branch.start, uris)):
            found.setdefault((str(point.key), point.sensor), point)
    if len(found) > MOST_POINTS:
        raise UnavailableError(f"the branches have more than {MOST_POINTS} numbers: name smaller ones")
    return list(found.values())


def node_of(text: str, uris: Sequence[str]) -> ua.NodeId:
    """Return the NodeId of a text; where it tells its namespace by name, as the server numbers it at present."""
    if text.startswith("nsu="):
        uri, _, rest = text.removeprefix("nsu=").partition(";")
        if uri not in uris:
            raise UnavailableError(f"the OPC UA server has no namespace {uri!r}")
        text = f"ns={uris.index(uri)};{rest}"
    with understood(f"NodeId {text[:100]!r}"):
        return ua.NodeId.from_string(text)


def place(branch: OpcUaBrowse, path: Sequence[str]) -> tuple[AssetKey, str]:
    """Return the asset and sensor that a path of names stands for. Raises RejectedError where it can be none.

    >>> place(OpcUaBrowse(asset="acme/site", asset_levels=1), ("Pump7", "Motor", "Temperature"))
    (AssetKey(tenant='acme', asset='site/Pump7'), 'Motor.Temperature')
    """
    levels = len(path) - 1 if branch.asset_levels is None else min(branch.asset_levels, len(path) - 1)
    names = [name.replace("/", "_") for name in path]
    return AssetKey.parse("/".join([branch.asset, *names[:levels]])), checked_sensor(".".join(path[levels:]))


async def _branch(branch: OpcUaBrowse, link: Link, limits: Limits, start: ua.NodeId) -> list[Point]:
    """Walk a branch level by level, each node once."""
    seen: set[ua.NodeId] = {start}
    level: list[tuple[ua.NodeId, tuple[str, ...]]] = [(start, ())]
    variables: list[tuple[ua.NodeId, tuple[str, ...]]] = []
    for _ in range(branch.depth):
        below: list[tuple[ua.NodeId, tuple[str, ...]]] = []
        for part in _parts(level, limits.nodes):
            answers = await _children(link, [node for node, _ in part])
            for (_, path), references in zip(part, answers, strict=True):
                for node, name, is_variable in _new(references, seen):
                    below.append((node, (*path, name)))
                    if is_variable:
                        variables.append(below[-1])
            if len(seen) > MOST_NODES:
                raise UnavailableError(f"branch {branch.start} has more than {MOST_NODES} nodes: name a smaller one")
        level = below
    return _placed(branch, await _numbers(link, limits, variables))


def _new(references: Iterable[Any], seen: set[ua.NodeId]) -> Iterator[tuple[ua.NodeId, str, bool]]:
    for each in references:
        node = ua.NodeId(each.NodeId.Identifier, each.NodeId.NamespaceIndex, each.NodeId.NodeIdType)
        is_standard, is_property = (
            node.NamespaceIndex == 0,
            each.ReferenceTypeId == standard_node(ua.ObjectIds.HasProperty),
        )
        if not is_standard and not is_property and node not in seen:
            seen.add(node)
            yield node, str(each.BrowseName.Name), each.NodeClass == ua.NodeClass.Variable


async def _children(link: Link, nodes: Sequence[ua.NodeId]) -> list[list[Any]]:
    parameters = ua.BrowseParameters()
    parameters.NodesToBrowse = [_description(node) for node in nodes]
    with asked("what is below a node"):
        results = await link.session.browse(parameters)
        if len(results) != len(nodes):
            raise ua.UaError("other answers than questions")
    found: list[list[Any]] = [list(result.References or ()) for result in results]
    waiting = deque((at, result.ContinuationPoint) for at, result in enumerate(results) if result.ContinuationPoint)
    while waiting:
        at, continuation = waiting.popleft()
        further = ua.BrowseNextParameters()
        further.ContinuationPoints = [continuation]
        with asked("what else is below a node"):
            (result,) = await link.session.browse_next(further)
        found[at] += result.References or ()
        if sum(map(len, found)) > MOST_NODES:
            raise UnavailableError(f"a branch has more than {MOST_NODES} nodes: name a smaller one")
        if result.ContinuationPoint:
            waiting.append((at, result.ContinuationPoint))
    return found


def _description(node: ua.NodeId) -> ua.BrowseDescription:
    described = ua.BrowseDescription()
    described.NodeId = node
    described.BrowseDirection = ua.BrowseDirection.Forward
    described.ReferenceTypeId = standard_node(ua.ObjectIds.HierarchicalReferences)
    described.IncludeSubtypes = True
    described.NodeClassMask = ua.NodeClass.Object | ua.NodeClass.Variable
    described.ResultMask = ua.BrowseResultMask.All
    return described


async def _numbers(
    link: Link, limits: Limits, variables: Sequence[tuple[ua.NodeId, tuple[str, ...]]]
) -> list[tuple[ua.NodeId, tuple[str, ...]]]:
    """Return the variables without those that are said to be text, times or structures."""
    numbers = []
    for part in _parts(variables, limits.nodes):
        with asked("the data types of variables"):
            told = await link.session.read_attributes([node for node, _ in part], ua.AttributeIds.DataType)
            if len(told) != len(part):
                raise ua.UaError("other answers than questions")
        for variable, answer in zip(part, told, strict=True):
            kind = answer.Value.Value if answer.Value is not None else None
            is_other = isinstance(kind, ua.NodeId) and kind.NamespaceIndex == 0 and kind.Identifier in _NOT_NUMBERS
            numbers += [] if is_other else [variable]
    return numbers


def _placed(branch: OpcUaBrowse, variables: Iterable[tuple[ua.NodeId, tuple[str, ...]]]) -> list[Point]:
    points, refused = [], list[str]()
    for node, path in variables:
        try:
            points.append(Point(node, *place(branch, path)))
        except RejectedError as error:
            refused.append(f"{node.to_string()}: {error}")
    if refused:
        LEFT_OUT.emit(len(refused), first=refused[0][:200])
    return points


async def _namespaces(link: Link) -> list[str]:
    with asked("its namespaces"):
        (told,) = await link.session.read_attributes(
            [standard_node(ua.ObjectIds.Server_NamespaceArray)], ua.AttributeIds.Value
        )
        return [str(uri) for uri in told.Value.Value or ()]


def _whole(told: Any) -> int:
    value = told.Value.Value if told.Value is not None else None
    return value if isinstance(value, int) and value > 0 else 0


def _parts(given: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(given), size):
        yield given[first : first + size]
