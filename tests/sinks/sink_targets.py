"""A real target for every sink of the catalog: it shows what it took, and can go and come back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from broker_target import PASSWORD, USER, Listener, Mosquitto  # type: ignore[import-not-found]
from certificates import make_certificate  # type: ignore[import-not-found]
from http_target import HttpServer  # type: ignore[import-not-found]
from mail_target import PASSWORD as MAIL_PASSWORD  # type: ignore[import-not-found]
from mail_target import USER as MAIL_USER
from mail_target import MailServer
from sink_bus import SinkBus  # type: ignore[import-not-found]
from waiting import wait  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.server import ROLE_USER
from iot_edge_anomaly.security.secrets import Secret
from iot_edge_anomaly.sinks.email import EmailSettings
from iot_edge_anomaly.sinks.file import FileSinkSettings
from iot_edge_anomaly.sinks.mqtt import MqttSinkSettings
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.sinks.webhook import WebhookSettings

WEBHOOK_SECRET = "webhook-secret-4711"
SECRETS = (PASSWORD, MAIL_PASSWORD, WEBHOOK_SECRET)


class Target(Protocol):
    settings: SinkSettings
    wrong: SinkSettings | None
    """The same with credentials that the target does not know; None: it asks for none."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Go away; what was taken stays known."""
        ...

    def ids(self) -> Sequence[str]:
        """Return the ids of what was taken, in order."""
        ...

    def refuse(self, posting_id: str) -> bool:
        """Refuse this one for ever; False where such a target has no way to."""
        ...

    def close(self) -> None: ...


def secret(folder: Path, name: str, value: str) -> Secret:
    path = folder / f"{name}.secret"
    path.write_text(value)
    return Secret(file=str(path))


class MosquittoTarget:
    def __init__(self, folder: Path) -> None:
        self._broker = Mosquitto(folder)
        self._listener: Listener | None = None
        known = {"name": "scada", "port": self._broker.port, "user": USER}
        self.settings = MqttSinkSettings(**known, password=secret(folder, "broker", PASSWORD))
        self.wrong = MqttSinkSettings(**known, password=secret(folder, "wrong", f"not-{PASSWORD}"))

    def start(self) -> None:
        self._broker.start()
        if self._listener is None:
            self._listener = Listener(self._broker.port, USER, PASSWORD, "alarms/event")

    def stop(self) -> None:
        self._broker.stop()

    def ids(self) -> list[str]:
        assert self._listener is not None
        return [json.loads(message.payload)["id"] for message in self._listener.heard]

    def refuse(self, posting_id: str) -> bool:
        return False

    def close(self) -> None:
        if self._listener is not None:
            self._listener.leave()
        self.stop()


class EmbeddedTarget:
    """The MQTT listener of the server that comes with the product; stops and starts with it."""

    def __init__(self, folder: Path) -> None:
        data_dir = folder / "embedded"
        data_dir.mkdir()
        self._server = SinkBus(data_dir)
        self._listener: Listener | None = None
        known = {"name": "built-in", "port": self._server.mqtt_port, "user": ROLE_USER}
        self._password = str(self._server.address.password)
        self.settings = MqttSinkSettings(**known, password=Secret(file=str(data_dir / "security" / "bus.password")))
        self.wrong = MqttSinkSettings(**known, password=secret(folder, "wrong", f"not-{PASSWORD}"))

    def start(self) -> None:
        self._server.start()
        if self._listener is None:
            self._listener = Listener(self._server.mqtt_port, ROLE_USER, self._password, "alarms/event")

    def stop(self) -> None:
        self._server.stop()

    def ids(self) -> list[str]:
        assert self._listener is not None
        return [json.loads(message.payload)["id"] for message in self._listener.heard]

    def refuse(self, posting_id: str) -> bool:
        return False

    def close(self) -> None:
        if self._listener is not None:
            self._listener.leave()
        self.stop()


class WebhookTarget:
    def __init__(self, folder: Path) -> None:
        self.server = HttpServer()
        self.server.answer = self._answer
        self._refused: set[str] = set()
        known = {"name": "cmms", "url": f"http://127.0.0.1:{self.server.port}/alarms", "timeout_seconds": 2.0}
        self.settings = WebhookSettings(**known, secrets=(secret(folder, "webhook", WEBHOOK_SECRET),))
        self.wrong = WebhookSettings(**known, secrets=(secret(folder, "wrong", f"not-{WEBHOOK_SECRET}"),))

    def _answer(self, call: object) -> tuple[int, dict[str, str]]:
        if not call.is_signed_with(WEBHOOK_SECRET):  # type: ignore[attr-defined]
            return 401, {}
        return (422 if call.event["id"] in self._refused else 204), {}  # type: ignore[attr-defined]

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def ids(self) -> list[str]:
        return [call.event["id"] for call in self.server.taken]

    def refuse(self, posting_id: str) -> bool:
        self._refused.add(posting_id)
        return True

    def close(self) -> None:
        self.stop()


class MailTarget:
    """A mail server; with `signs_in` one that wants STARTTLS and a password."""

    def __init__(self, folder: Path, *, signs_in: bool) -> None:
        made = make_certificate(folder) if signs_in else None
        self.server = MailServer(made.server() if made else None, signs_in=signs_in)
        self.server.answer = lambda message: "554 spam" if _id(message) in self._refused else "250 taken"
        self._refused: set[str] = set()
        known = {
            "name": "mail",
            "host": "127.0.0.1",
            "port": self.server.port,
            "sender": "alarms@example.com",
            "recipients": ("shift@example.com",),
            "events": (),
            "timeout_seconds": 5.0,
        }
        self.wrong = None
        if made is None:
            self.settings = EmailSettings(**known, security="none")
        else:
            known |= {"user": MAIL_USER, "ca_file": str(made.certificate)}
            self.settings = EmailSettings(**known, password=secret(folder, "mail", MAIL_PASSWORD))
            self.wrong = EmailSettings(**known, password=secret(folder, "wrong", f"not-{MAIL_PASSWORD}"))

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def ids(self) -> list[str]:
        return [_id(message) for message in self.server.taken]

    def refuse(self, posting_id: str) -> bool:
        self._refused.add(posting_id)
        return True

    def close(self) -> None:
        self.stop()


def _id(message: object) -> str:
    return str(message["Message-ID"]).strip("<>").partition("@")[0]  # type: ignore[index]


class FileTarget:
    """A folder that is there or not."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "out", folder / "out.away"
        self._folder.mkdir()
        self.path = self._folder / "alarms.jsonl"
        self.settings = FileSinkSettings(name="log", path=str(self.path))
        self.wrong = None

    def start(self) -> None:
        if self._away.exists():
            self._away.rename(self._folder)

    def stop(self) -> None:
        if self._folder.exists():
            self._folder.rename(self._away)

    def ids(self) -> list[str]:
        folder = self._folder if self._folder.exists() else self._away
        path = folder / self.path.name
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line)["id"] for line in lines]

    def refuse(self, posting_id: str) -> bool:
        return False

    def close(self) -> None:
        pass


TARGETS = {
    "mosquitto": MosquittoTarget,
    "embedded": EmbeddedTarget,
    "webhook": WebhookTarget,
    "email": lambda folder: MailTarget(folder, signs_in=False),
    "email-starttls": lambda folder: MailTarget(folder, signs_in=True),
    "file": FileTarget,
}


def until_taken(target: Target, ids: Sequence[str]) -> None:
    wait(lambda: set(ids) <= set(target.ids()))
