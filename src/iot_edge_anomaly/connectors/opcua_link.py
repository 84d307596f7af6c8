"""The connection of a connector to its OPC UA server: secure channel and session.

The session outlives the connection: after a cut the next attempt goes on with it, and finds its queues as they were.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import anyio
from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from iot_edge_anomaly.connectors.opcua import OpcUaSettings
from iot_edge_anomaly.connectors.opcua_calls import (
    RefusedError,
    asked,
    connect,
    cut,
    new_client,
    open_channel,
    standard_node,
)
from iot_edge_anomaly.connectors.opcua_trust import Own, check_server, read_certificates, read_own
from iot_edge_anomaly.core.errors import UnavailableError

PROBE_SECONDS = 5.0
"""How often a server is asked whether it is still there."""

SHORTEST_SECONDS = 0.1
LEAVE_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
"""So long a session is gone on with in vain, at a server that is reached, before a new one is begun."""


class Link:
    """One connection at a time, opened at each attempt."""

    def __init__(self, settings: OpcUaSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._in_vain_since: float | None = None

    async def open(self) -> bool:
        """Connect and sign in; tell whether that goes on with the session of before."""
        password = None if self._settings.password is None else self._settings.password.resolve()
        if self._client is not None:
            try:
                await self._resume(self._client, password)
            except RefusedError:
                self._forget()
            else:
                return True
        self._client = await self._new_client()
        try:
            await connect(self._client)
            with asked("a session"):
                await self._client.create_session()
            await self._sign_in(self._client, password)
        except UnavailableError:
            await self.leave()  # or sessions pile up at the server with every attempt
            raise
        return False

    @property
    def session(self) -> Any:
        """The services of the session, as the library has them."""
        assert self._client is not None
        return self._client.uaclient.session

    async def send(self, request: Any, what: str, seconds: float | None = None) -> Any:
        """Return the bytes of the answer to a request."""
        assert self._client is not None
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise UnavailableError(f"the OPC UA server is gone: {what}")
        with asked(what, seconds):
            return await protocol.send_request(request, 0)

    async def keep_alive(self) -> None:
        """See that the server is still there, and renew the channel; raises UnavailableError when it is not."""
        assert self._client is not None
        renew_at = _renewal_of(self._client)
        state = standard_node(ua.ObjectIds.Server_ServerStatus_State)
        while True:
            await anyio.sleep(max(min(PROBE_SECONDS, renew_at - anyio.current_time()), SHORTEST_SECONDS))
            with asked("whether it is there"):
                await self.session.read_attributes([state], ua.AttributeIds.Value)
            if anyio.current_time() > renew_at:
                with asked("a channel to go on with"):
                    await self._client.open_secure_channel(renew=True)
                renew_at = _renewal_of(self._client)

    def cut(self) -> None:
        """Close the connection, and leave the session to the next attempt."""
        if self._client is not None:
            cut(self._client)

    async def leave(self) -> None:
        """End the session and all that hangs on it, if the server still listens."""
        client, self._client = self._client, None
        if client is None:
            return
        with anyio.move_on_after(LEAVE_SECONDS, shield=True), suppress(UnavailableError), asked("to leave"):
            await client.uaclient.close_session(True)
            await client.uaclient.close_secure_channel()
        cut(client)

    async def _resume(self, client: Client, password: str | None) -> None:
        """Go on with the session in a new channel; after some time in vain it is given up."""
        with asked("a connection"):
            await client.connect_socket()
        try:
            await open_channel(client)
            client.uaclient.session.rebind_authentication_token()
            await self._sign_in(client, password)
            self._in_vain_since = None
        except UnavailableError:
            now = anyio.current_time()
            self._in_vain_since = self._in_vain_since or now
            if now - self._in_vain_since > PATIENCE_SECONDS:
                self._forget()
            raise

    def _forget(self) -> None:
        self.cut()
        self._client = None
        self._in_vain_since = None

    async def _sign_in(self, client: Client, password: str | None) -> None:
        settings = self._settings
        with asked("the user" if settings.user or settings.user_certificate else "anybody who does not sign in"):
            await client.activate_session(settings.user, password, client.user_certificate)

    async def _new_client(self) -> Client:
        settings, now = self._settings, datetime.now(UTC)
        client = new_client(settings.endpoint)
        client.session_timeout = int(settings.keep_seconds * 1000)
        if settings.user_certificate is not None and settings.user_private_key is not None:
            user = await anyio.to_thread.run_sync(
                read_own, settings.user_certificate, settings.user_private_key, None, now
            )
            client.user_certificate, client.user_private_key = user.certificate, user.key
        if settings.certificate is not None and settings.private_key is not None:
            own = await anyio.to_thread.run_sync(
                read_own, settings.certificate, settings.private_key, settings.private_key_password, now
            )
            await self._secure(client, own, now)
        return client

    async def _secure(self, client: Client, own: Own, now: datetime) -> None:
        """Make the client speak to a server that shows a trusted certificate, and to no other."""
        settings = self._settings
        assert settings.trusted is not None
        trusted = await anyio.to_thread.run_sync(read_certificates, settings.trusted)
        policy = getattr(security_policies, f"SecurityPolicy{settings.security}")
        mode = ua.MessageSecurityMode[settings.mode]
        shown = await _certificate(new_client(settings.endpoint), policy.URI, mode)
        check_server(shown, trusted, settings.host, now)
        client.application_uri = own.application_uri or client.application_uri
        key = own.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with asked("its certificate"):
            await client.set_security(
                policy,
                CertProperties(own.certificate.public_bytes(serialization.Encoding.DER), "der"),
                CertProperties(key, "der"),
                server_certificate=CertProperties(shown.public_bytes(serialization.Encoding.DER), "der"),
                mode=mode,
            )


def _renewal_of(client: Client) -> float:
    """Return when its channel is to be renewed: after three quarters of the time that the server gave it."""
    return anyio.current_time() + 0.75 * client.secure_channel_timeout / 1000


async def _certificate(client: Client, policy: str, mode: ua.MessageSecurityMode) -> x509.Certificate:
    """Return the certificate that the server shows for a policy and a mode; trusting it is for others."""
    try:
        await connect(client)
        with asked("its endpoints"):
            endpoints = list(await client.get_endpoints() or ())
    finally:
        cut(client)
    for endpoint in endpoints:
        if endpoint.SecurityPolicyUri == policy and endpoint.SecurityMode == mode:
            with asked("its certificate"):
                chain = bytes(endpoint.ServerCertificate or b"")
                return x509.load_der_x509_certificate(
                    chain[: int.from_bytes(chain[2:4], "big") + 4]
                )  # its own is first
    offered = sorted({f"{_shown(str(each.SecurityPolicyUri))} {each.SecurityMode.name}" for each in endpoints})
    raise UnavailableError(
        f"the OPC UA server does not offer {_shown(policy)} {mode.name}; it offers: {', '.join(offered)[:300]}"
    )


def _shown(policy: str) -> str:
    return policy.partition("#")[2]
