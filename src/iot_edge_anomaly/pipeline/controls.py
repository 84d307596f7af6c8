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
from iot_edge_anomaly.core.outcomes import ALARM_LEVEL, Notice
from iot_edge_anomaly.detection.inside import season_of
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
            _begin_level_anew(asset, draft, control.at_ns, f"this is the new normal, says {control.by}", control.by)
        case Noted(kind=kind, sensor=sensor, text=text):
            draft.notices.append(Notice(kind, sensor, text, control.at_ns, control.by, control.note))
        case SourceIdle():
            leave_out(asset, control.source)
        case Feedback():
            _judge(asset, control, draft)


def _judge(asset: Asset, control: Feedback, draft: Draft) -> None:
    """Note a verdict, and the level that it moves."""
    verdict, about = "right" if control.was_right else "wrong", control.alarm_id
    text = f"alarm {about} was {verdict}, says {control.by}. {control.note}".strip()
    draft.notices.append(Notice(f"feedback-{verdict}", about, text, control.at_ns, control.by, control.note))
    before = asset.book.verdicts.level
    draft.alarms += acts.judge(asset.book, control, asset.profile.alarms)
    if asset.book.verdicts.level != before:
        text = f"{_now_has_to_pass(asset)}: alarm {about} was called {verdict} by {control.by}"
        draft.notices.append(Notice(ALARM_LEVEL, about, text, control.at_ns, control.by, control.note))


def _begin_level_anew(asset: Asset, draft: Draft, at_ns: int, why: str, by: str = "") -> None:
    """Forget what verdicts have moved: it was said of another model."""
    if acts.begin_level_anew(asset.book):
        draft.notices.append(Notice(ALARM_LEVEL, "", f"{_now_has_to_pass(asset)}: {why}", at_ns, by))


def _now_has_to_pass(asset: Asset) -> str:
    return f"the score now has to pass {asset.book.verdicts.level:.2f}"


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
        lacks_season = asset.profile.season not in (None, season_of(models[control.digest]))
        learning.activate(asset, control.digest, lacks_season=lacks_season)
        text = f"model {control.digest[:19]} is in use" + (f"; {control.note}" if control.note else "")
        draft.notices.append(Notice("model-activated", "", text, control.at_ns))
        _begin_level_anew(asset, draft, control.at_ns, "a model that was calibrated anew is in use")
        known = models[control.digest].sensors
        asset.add_sensors([sensor for sensor in known if sensor not in asset.sensors])
        there = {*asset.heard(), *(sensor for sensor in asset.profile.made if sensor in asset.sensors)}
        if there - set(known) - asset.vanished:
            learning.begin(asset, seq, learning.NEW_SENSOR)
        elif lacks_season:
            learning.begin(asset, seq, learning.SEASON)


def _maintenance_notice(control: Maintenance) -> Notice:
    is_over = control.until_ns <= control.at_ns
    text = f"maintenance is over, says {control.by}" if is_over else f"in maintenance, says {control.by}"
    text += f": {control.reason}" if control.reason else ""
    until_ns = 0 if is_over else control.until_ns
    return Notice("maintenance", "", text, until_ns, control.by, control.reason)
