"""Ask an MQTT broker whether it lets somebody in."""

import secrets
import time

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

ANSWER_SECONDS = 2.0
PAUSE_SECONDS = 0.1


def is_let_in(host: str, port: int, user: str, password: str) -> bool:
    """Sign in and leave at once; False where the broker refuses or does not answer."""
    answers: list[ReasonCode] = []

    def answered(_: Client, __: object, ___: ConnectFlags, code: ReasonCode, ____: Properties | None) -> None:
        answers.append(code)

    client = Client(CallbackAPIVersion.VERSION2, client_id=f"sign-in-{secrets.token_hex(8)}")
    client.username_pw_set(user, password)
    client.on_connect = answered
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        client.connect(host, port)
        while (
            not answers and time.monotonic() < deadline and client.loop(PAUSE_SECONDS) == MQTTErrorCode.MQTT_ERR_SUCCESS
        ):
            pass
        client.disconnect()
    except OSError:
        return False
    return bool(answers) and not answers[0].is_failure


def until_let_in(host: str, port: int, user: str, password: str, seconds: float = 10.0) -> bool:
    """Try until the broker has heard of somebody new; False if it has not in time."""
    deadline = time.monotonic() + seconds
    while not is_let_in(host, port, user, password):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
