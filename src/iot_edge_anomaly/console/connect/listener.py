"""Connect a device to the built-in MQTT listener: credentials made here, a command to try them, the first message."""

import anyio
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.connectors.sign_in import until_let_in
from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.arrivals import Arrivals
from iot_edge_anomaly.console.connect.tenant import TenantField
from iot_edge_anomaly.console.elements import box, button, text
from iot_edge_anomaly.console.fields import Field, command_line
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.core.names import to_token
from iot_edge_anomaly.security.devices import Device

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class ConnectListener:
    """Make a device, show its credentials once, wait for what it sends."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        address = backstage.address
        with box("card form", "section").props('aria-label="A device of the built-in listener"'):
            text("h2", "A device of the built-in listener")
            if address.mqtt_host is None or address.mqtt_port is None:
                text("p", "This system uses a server of its own choice (bus.url) and has no built-in listener.")
                text("p", "Connect the broker that your devices speak to instead.", "hint")
                return
            text("p", "The device signs in with a name and a password that are made here, and publishes at QoS 1.")
            self._tenant = TenantField(visit.who)
            self._name = Field("Name of the device", hint="Letters, digits, - and _, for example pump-7.")
            self._create = button("Create the device", self._on_create, "primary")
        self._result = box("result")

    async def _on_create(self) -> None:
        try:
            device = self._backstage.admit.create_device(
                self._visit.who, self._name.value.strip(), self._tenant.value.strip()
            )
        except IotEdgeAnomalyError as error:
            self._name.complain(str(error))
            return
        self._name.fill("")
        self._result.clear()
        with self._result:
            state = self._show(device)
            Arrivals(self._visit, self._backstage, device.tenant)
        await self._until_known(device, state)

    def _show(self, device: Device) -> TextElement:
        host, port = self._host(), self._backstage.address.mqtt_port
        topic = f"ingress/{to_token(device.tenant)}/site-1/hall-2/line-3/{device.user}"
        sign_in = f"mosquitto_pub -h {host} -p {port} -q 1 -u {device.user} -P '{device.password}'"
        with box("card", "section").props('aria-label="Credentials"'):
            text("h2", f"Device {device.user}")
            text("p", "The password is shown this once. Write it into the device now.", "notice")
            with box("facts", "dl"):
                for name, value in (
                    ("Broker", f"{host}:{port}, MQTT 3.1.1"),
                    ("User", device.user),
                    ("Password", device.password),
                    ("Topics", f"below ingress/{to_token(device.tenant)}/"),
                ):
                    text("dt", name)
                    text("dd", value)
            text("p", "Try it. A row of several sensors:", "hint")
            command_line(f'{sign_in} -t {topic} -m \'{{"flow": 12.1, "pressure": 3.4}}\'', "Publish a row")
            text("p", "One value; the last level of the topic is the sensor:", "hint")
            command_line(f"{sign_in} -t {topic}/flow -m 12.3", "Publish one value")
            if host in ("127.0.0.1", "localhost", "::1"):
                text("p", "The listener is reached from this machine only; bus.mqtt_host opens it to others.", "hint")
            return text("p", "The listener is being told of the device …", "hint").props("role=status")

    def _host(self) -> str:
        host = self._backstage.address.mqtt_host or ""
        return (self._visit.request.url.hostname or host) if host in EVERYWHERE else host

    async def _until_known(self, device: Device, state: TextElement) -> None:
        address = self._backstage.address
        assert address.mqtt_host is not None
        assert address.mqtt_port is not None
        host = "127.0.0.1" if address.mqtt_host in EVERYWHERE else address.mqtt_host
        known = await anyio.to_thread.run_sync(until_let_in, host, address.mqtt_port, device.user, device.password)
        state.text = "The listener lets it in." if known else "The listener does not let it in yet; see System."
