"""Every route, once: what is served is what `/openapi.json` describes."""

import msgspec

from iot_edge_anomaly.bus.ledger import Balance
from iot_edge_anomaly.gateway import acts, alarms, figures, ingest, plant, predict, status, system
from iot_edge_anomaly.gateway.openapi import document
from iot_edge_anomaly.gateway.route import Call, Raw, Route, Text
from iot_edge_anomaly.gateway.set_aside import SET_ASIDE
from iot_edge_anomaly.observability.health import Readiness
from iot_edge_anomaly.security.principal import Permission


async def describe(_services: object, _call: Call) -> Text:
    """Return the OpenAPI document."""
    return Text("application/json", DOCUMENT)


READINGS = (
    Route(
        "POST",
        "/v1/readings",
        "Store readings; answers once they are durable.",
        ingest.take_readings,
        ingest.Receipt,
        Permission.WRITE_READINGS,
        body=Raw,
        documented_body=ingest.Payload | list[ingest.Payload],
        status=202,
    ),
    Route(
        "POST",
        "/v1/predict",
        "Score the last row of a window, without storing it.",
        predict.predict,
        predict.Prediction,
        body=predict.Window,
    ),
)

PLANT = (
    Route("GET", "/v1/assets", "The assets as they are now.", plant.list_assets, plant.Assets),
    Route(
        "GET",
        "/v1/assets/{name:path}",
        "One asset as it is now.",
        plant.read_asset,
        plant.Asset,
        parameters=plant.NamedAsset,
    ),
    Route(
        "GET",
        "/v1/alarms",
        "Alarms, the newest first.",
        alarms.list_alarms,
        alarms.Alarms,
        parameters=alarms.AlarmsOf,
    ),
    Route(
        "GET",
        "/v1/alarms/{id}",
        "One alarm, what happened to it and what was said of it.",
        alarms.read_alarm,
        alarms.AlarmDetail,
        parameters=alarms.NamedAlarm,
    ),
    Route(
        "GET",
        "/v1/budget",
        "False alarms: promised and realised, of all assets and of each.",
        figures.read_budget,
        figures.BudgetAnswer,
        parameters=figures.BudgetOf,
    ),
    Route(
        "GET",
        "/v1/days",
        "How each asset did, day by day.",
        figures.read_days,
        figures.Days,
        parameters=figures.DaysOf,
    ),
    Route(
        "GET",
        "/v1/scores",
        "The newest scores and values of an asset, as columns.",
        plant.read_scores,
        plant.Scores,
        parameters=plant.ScoresOf,
    ),
    Route("GET", "/v1/models", "Which model each asset uses.", plant.list_models, plant.ModelsInUse),
    Route("GET", "/v1/reconcile", "What came in against what became of it.", plant.read_balance, Balance),
)

ACTS = (
    Route(
        "POST",
        "/v1/alarms/{id}/acknowledge",
        "Say that a person has seen this alarm.",
        acts.acknowledge_alarm,
        acts.Done,
        Permission.OPERATE,
        parameters=alarms.NamedAlarm,
        status=202,
    ),
    Route(
        "POST",
        "/v1/acknowledge",
        "Say that a person has seen several alarms: all of them are acknowledged, or none.",
        acts.acknowledge_several,
        acts.Acknowledged,
        Permission.OPERATE,
        body=acts.SeveralAlarms,
        status=202,
    ),
    Route(
        "POST",
        "/v1/alarms/{id}/feedback",
        "Say whether this alarm was right.",
        acts.judge_alarm,
        acts.Done,
        Permission.OPERATE,
        parameters=alarms.NamedAlarm,
        body=acts.Verdict,
        status=202,
    ),
    Route(
        "POST",
        "/v1/maintenance",
        "Say that somebody works on an asset, for how long.",
        acts.order_maintenance,
        acts.Done,
        Permission.OPERATE,
        body=acts.MaintenanceOrder,
        status=202,
    ),
    Route(
        "POST",
        "/v1/shelving",
        "Put one condition of an asset out of sight for a while.",
        acts.order_shelving,
        acts.Done,
        Permission.OPERATE,
        body=acts.ShelvingOrder,
        status=202,
    ),
    Route(
        "POST",
        "/v1/new-normal",
        "Say that what an asset does from now on is normal.",
        acts.order_new_normal,
        acts.Done,
        Permission.OPERATE,
        body=acts.NewNormalOrder,
        status=202,
    ),
    Route(
        "POST",
        "/v1/limits",
        "Set limits of one sensor of an asset; they beat those of the configuration file.",
        acts.order_limits,
        acts.LimitsInForce,
        Permission.CONFIGURE,
        body=acts.LimitsOrder,
        status=202,
    ),
)

SYSTEM = (
    Route("GET", "/v1/status", "What runs, and how far each partition has come.", status.status, status.Status),
    Route("GET", "/healthz", "Tell that the process lives.", system.healthz, system.Alive, None),
    Route("GET", "/readyz", "Tell whether work can be taken.", system.readyz, Readiness, None),
    Route("GET", "/metrics", "Metrics of all roles of this machine, as Prometheus text.", system.metrics, Text),
    Route("GET", "/openapi.json", "This description.", describe, Text, None),
)

ROUTES = (*READINGS, *PLANT, *SET_ASIDE, *ACTS, *SYSTEM)

DOCUMENT = msgspec.json.encode(document(ROUTES))
