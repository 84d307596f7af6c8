"""A broker that a plant has already, and machines that publish there: nothing of it is this system's own."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.server import lean, server_binary
from iot_edge_anomaly.bus.settings import BusSettings

TOPICS = {"plant/line-3/pump-9/flow": 12.5, "plant/line-3/pump-9/pressure": 3.4}
PAUSE_SECONDS = 0.2


@contextmanager
def plant_broker(folder: Path) -> Iterator[int]:
    """Run both for the time of the block; return the port."""
    port, configuration = free_port(), folder / "plant-broker.conf"
    store = json.dumps(str(folder / "plant-broker"))
    configuration.write_text(
        f"server_name: plant\nlisten: 127.0.0.1:{free_port()}\nmqtt {{ listen: 127.0.0.1:{port} }}\n"
        f"jetstream {{ store_dir: {store} }}\n"
    )
    argv = [str(server_binary(BusSettings())), "-c", str(configuration)]
    stop = threading.Event()
    machines = threading.Thread(target=_publish, args=(port, stop))
    with (folder / "plant-broker.log").open("wb") as log:
        broker = subprocess.Popen(argv, stderr=log, env={**os.environ, **lean(BusSettings())})
    machines.start()
    try:
        yield port
    finally:
        stop.set()
        machines.join(20)
        broker.terminate()
        broker.wait(20)


def _publish(port: int, stop: threading.Event) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="machines")
    client.reconnect_delay_set(0.1, 0.5)
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    number = 0
    while not stop.wait(PAUSE_SECONDS):
        number += 1
        for topic, value in TOPICS.items():
            client.publish(topic, json.dumps({"value": value + 0.01 * (number % 10)}), qos=0)
    client.disconnect()
    client.loop_stop()
