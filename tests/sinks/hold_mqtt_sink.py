"""Hold an MQTT sink open until killed: `hold_mqtt_sink.py PORT USER PASSWORD_FILE`."""

import asyncio
import sys

from iot_edge_anomaly.security.secrets import Secret
from iot_edge_anomaly.sinks.mqtt import MqttSinkSettings, mqtt_sink


async def hold(port: int, user: str, password_file: str) -> None:
    settings = MqttSinkSettings(name="held", port=port, user=user, password=Secret(file=password_file))
    async with mqtt_sink(settings) as sink:
        await sink.deliver(())
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(hold(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
