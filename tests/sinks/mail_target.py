"""A real SMTP server that takes mail, with and without STARTTLS and sign-in, and refuses on demand."""

import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from ssl import SSLContext
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from free_ports import free_port  # type: ignore[import-not-found]

USER, PASSWORD = "alarms", "mail-secret-4711"


class MailServer:
    """`answer` says what is answered to a message; those answered 250 are kept in `taken`."""

    def __init__(self, tls: SSLContext | None = None, *, signs_in: bool = False, from_first_byte: bool = False) -> None:
        self.port = free_port()
        self.taken: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.checks = 0
        self.answer: Callable[[EmailMessage], str] = lambda message: "250 taken"
        self.answer_recipient: Callable[[str], str] = lambda address: "250 fine"
        self._tls = tls
        self._from_first_byte = from_first_byte
        self._signs_in = signs_in
        self._controller: Controller | None = None

    def start(self) -> None:
        options: dict[str, Any] = {}
        if self._from_first_byte:
            options = {"ssl_context": self._tls, "auth_require_tls": False}
        elif self._tls is not None:
            options = {"tls_context": self._tls, "require_starttls": True}
        if self._signs_in:
            options |= {"authenticator": _authenticate, "auth_required": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_NOOP(self, _: SMTP, __: Session, ___: Envelope, ____: str) -> str:  # noqa: N802
        self.checks += 1
        return "250 here"

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:  # noqa: N802
        answer = self.answer_recipient(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        answer = self.answer(message)
        if answer.startswith("250"):
            self.taken.append(message)
            self.envelopes.append(envelope)
        return answer


def _authenticate(_: SMTP, __: Session, ___: Envelope, ____: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    is_right = given.login == USER.encode() and given.password == PASSWORD.encode()
    return AuthResult(success=is_right, handled=is_right)
