"""What control messages of one asset do to it. Its rows have been worked out before."""

from collections.abc import Mapping

from iot_edge_anomaly.alarms import acts
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import (
    Acknowledge,
    AssetControl,
    Feedback,
    FitFailed,
    Maintenance,
    ModelActivated,
    NewNormal,
    Noted,
    Shelve,
    SourceIdle,
)
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.pipeline import drifting, learning
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.state import Asset
from iot_edge_anomaly.pipeline.taking import leave_out

TRAINER = "trainer"


def obey(asset: Asset, control: AssetControl, draft: Draft, models: Mapping[str, Detector], seq: int) -> None:
    """Do what a control message says, and note what a person may want to know of it."""
    settings = asset.profile.alarms
    match control:
        case Acknowledge():
            draft.alarms += acts.acknowledge(asset.book, control, settings)
        case Shelve():
            draft.alarms += acts.shelve(asset.book, control, settings)
        case Maintenance():
            draft.alarms += acts.maintenance(asset.book, control, settings)
            draft.notices.append(_maintenance_notice(control))
        case ModelActivated():
            _activate(asset, control, models, draft, seq)
        case FitFailed():
            if learning.fit_failed(asset, seq, wants_more=control.wants_more):
                draft.notices.append(Notice("fit-failed", "", control.reason, control.at_ns))
        case NewNormal():
            draft.alarms += acts.new_normal(asset.book, control, settings)
            learning.begin_anew(asset, seq, learning.NEW_NORMAL)
            text = f"learning anew, asked by {control.by}"
            draft.notices.append(Notice("new-normal", "", text, control.at_ns, control.by, control.reason))
        case Noted(kind=kind, sensor=sensor, text=text):
            draft.notices.append(Notice(kind, sensor, text, control.at_ns, control.by, control.note))
        case SourceIdle():
            leave_out(asset, control.source)
        case Feedback():
            verdict = "right" if control.was_right else "wrong"
            text = f"alarm {control.alarm_id} was {verdict}, says {control.by}. {control.note}".strip()
            kind, about = f"feedback-{verdict}", control.alarm_id
            draft.notices.append(Notice(kind, about, text, control.at_ns, control.by, control.note))


def _activate(asset: Asset, control: ModelActivated, models: Mapping[str, Detector], draft: Draft, seq: int) -> None:
    """Take a model into use; one that could not be loaded is refused, and the asset goes on as it was."""
    if control.digest not in models:
        learning.fit_failed(asset, seq, wants_more=False)
        text = f"model {control.digest} is missing or damaged; the asset goes on as before"
        draft.notices.append(Notice("model-refused", "", text, control.at_ns))
    elif control.by == TRAINER and learning.is_outdated(asset):
        text = f"model {control.digest[:19]} answers what was asked before; the asset is learned anew"
        draft.notices.append(Notice("model-refused", "", text, control.at_ns))
    elif control.digest != asset.model:
        draft.notices += drifting.end(asset, control.at_ns)
        learning.activate(asset, control.digest)
        text = f"model {control.digest[:19]} is in use" + (f"; {control.note}" if control.note else "")
        draft.notices.append(Notice("model-activated", "", text, control.at_ns))
        known = models[control.digest].sensors
        asset.add_sensors([sensor for sensor in known if sensor not in asset.sensors])
        if set(asset.heard()) - set(known) - asset.vanished:
            learning.begin(asset, seq, learning.NEW_SENSOR)


def _maintenance_notice(control: Maintenance) -> Notice:
    is_over = control.until_ns <= control.at_ns
    text = f"maintenance is over, says {control.by}" if is_over else f"in maintenance, says {control.by}"
    text += f": {control.reason}" if control.reason else ""
    until_ns = 0 if is_over else control.until_ns
    return Notice("maintenance", "", text, until_ns, control.by, control.reason)
