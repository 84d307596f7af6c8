"""A real server of OPC UA on loopback, a child process that a test tells what to write, may kill and start again.

Run as a program this file is that server. It is told one JSON object a line, and answers one.
"""

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

if __name__ != "__main__":
    from free_ports import free_port  # type: ignore[import-not-found]

NAMESPACE = "urn:iot-edge-anomaly:test"
STEP = timedelta(milliseconds=1)


class OpcUaServer(AbstractContextManager["OpcUaServer"]):
    """The server as a test sees it. `many`: variables Many0, Many1, … besides the few that it always has."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self._options = {"url": self.url, **options}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with (self.folder / "opcua-server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, json.dumps(self._options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.ask("ready") is True, (self.folder / "opcua-server.log").read_text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=10)

    def write(self, name: str, value: object, *, status: int = 0, time: str | None = None) -> None:
        """Write one value, now or at a time."""
        self.ask("write", name=name, value=value, status=status, time=time)

    def count(self, name: str, first: int, end: int) -> None:
        """Write whole numbers one after the other, each with a time of its own; they are the ledger."""
        self.ask("count", name=name, first=first, end=end)

    def ask(self, what: str, **more: Any) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"ask": what, **more}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, (self.folder / "opcua-server.log").read_text()[-5000:]
        return json.loads(line)


async def _serve(options: dict[str, Any]) -> None:
    from asyncua import Server, ua

    _keep_what_was_sent_again()
    server = Server(user_manager=_Users(options) if options.get("users") else None)
    await server.init()
    server.set_endpoint(options["url"])
    policies = [ua.SecurityPolicyType.NoSecurity]
    if options.get("certificate"):
        await server.load_certificate(options["certificate"])
        await server.load_private_key(options["private_key"])
        policies = [
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
            ua.SecurityPolicyType.Basic256Sha256_Sign,
            ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
            ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
        ]
    server.set_security_policy(policies)
    if options.get("users"):
        server.set_identity_tokens([ua.UserNameIdentityToken, ua.X509IdentityToken])
    plant = _Plant(server, await server.register_namespace(NAMESPACE))
    await plant.build(options.get("many", 0))
    async with server:
        await _obey(plant)


def _keep_what_was_sent_again() -> None:
    """Have the library keep a notification until it is acknowledged, as the standard says.

    It drops one as soon as it has sent it again, so that a second cut at that moment costs it.
    """
    from asyncua import ua
    from asyncua.server.internal_subscription import InternalSubscription

    def republish(self: Any, number: int) -> Any:
        kept = self._not_acknowledged_results.get(number)
        return ua.NotificationMessage() if kept is None else kept.NotificationMessage

    InternalSubscription.republish = republish  # type: ignore[method-assign]


async def _obey(plant: "_Plant") -> None:
    """Do what is asked, one line after the other; end when nobody is there to ask any more."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        answer = await getattr(plant, asked.pop("ask"))(**asked)
        print(json.dumps(answer), flush=True)


class _Users:
    """Who is let in: by password, or by the one certificate."""

    def __init__(self, options: dict[str, Any]) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        self._passwords = options["users"]
        own = x509.load_pem_x509_certificate(Path(options["user_certificate"]).read_bytes())
        self._certificate = own.public_bytes(Encoding.DER)

    def get_user(
        self, _: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> Any:
        from asyncua.crypto.permission_rules import User, UserRole

        if username is None:
            return User(UserRole.User) if certificate == self._certificate else None
        return User(UserRole.User) if self._passwords.get(username) == password else None


class _Plant:
    """Its variables, and what may be asked of it."""

    def __init__(self, server: Any, space: int) -> None:
        self._server = server
        self._space = space
        self._written = datetime.now(UTC)

    async def build(self, many: int) -> None:
        ua, space, objects = self._ua, self._space, self._server.nodes.objects
        await objects.add_variable(ua.NodeId("Range", space), f"{space}:Range", ua.Range(0, 1))
        for name, value in (
            ("Flow", 0.0),
            ("On", True),
            ("Curve", [1.0, 2.0, 3.0]),
            ("Grid", [[1.0, 2.0], [3.0, 4.0]]),
            ("Name", "pump"),
        ):
            await objects.add_variable(ua.NodeId(name, space), f"{space}:{name}", value)
        plant = await objects.add_object(ua.NodeId("Plant", space), f"{space}:Plant")
        pump = await plant.add_object(ua.NodeId("Pump7", space), f"{space}:Pump7")
        flow = await pump.add_variable(ua.NodeId("Pump7.Flow", space), f"{space}:Flow", 12.0)
        await flow.add_property(space, "Unit", 5)
        await pump.add_variable(space, "Serial", "a text")
        motor = await pump.add_object(space, "Motor")
        await motor.add_variable(space, "Temperature", 55.0)
        await motor.add_reference(plant, ua.ObjectIds.Organizes)  # a branch may lead back to where it began
        fan = await plant.add_object(space, "Fan")
        await fan.add_variable(space, "Speed", 900)
        group = objects
        for number in range(many):
            if number % 100 == 0:  # a folder of ten thousand takes this server minutes
                group = await objects.add_object(space, f"Group{number}")
            await group.add_variable(ua.NodeId(f"Many{number}", space), f"{space}:Many{number}", float(number))

    @property
    def _ua(self) -> Any:
        from asyncua import ua

        return ua

    async def ready(self) -> bool:
        return True

    async def subscriptions(self) -> int:
        return len(self._server.iserver.subscription_service.subscriptions)

    async def write(self, name: str, value: Any, status: int = 0, time: str | None = None) -> None:
        ua = self._ua
        at = self._now() if time is None else datetime.fromisoformat(time)
        told = ua.DataValue(ua.Variant(value), ua.StatusCode(ua.UInt32(status)), at)
        await self._server.write_attribute_value(ua.NodeId(name, self._space), told)

    async def count(self, name: str, first: int, end: int) -> None:
        for number in range(first, end):
            await self.write(name, float(number))
            if number % 10 == 0:
                await asyncio.sleep(0.01)

    async def poison(self, name: str) -> None:
        """Write a structure of a kind that everybody knows, cut off after its first byte."""
        ua = self._ua
        cut_off = ua.ExtensionObject(ua.NodeId(ua.Int32(ua.ObjectIds.Range_Encoding_DefaultBinary)), b"\x01")
        told = ua.DataValue(ua.Variant(cut_off, ua.VariantType.ExtensionObject), SourceTimestamp=self._now())
        await self._server.write_attribute_value(ua.NodeId(name, self._space), told)

    async def expire(self) -> None:
        """Drop the oldest subscription, and say nothing of it."""
        service = self._server.iserver.subscription_service
        await service.delete_subscriptions([min(service.subscriptions)])

    async def forget(self) -> None:
        """Let all sessions go, and keep their subscriptions."""
        for session in list(self._server.iserver._external_sessions.values()):
            await session.close_session(False)

    def _now(self) -> datetime:
        self._written = max(datetime.now(UTC), self._written + STEP)
        return self._written


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
