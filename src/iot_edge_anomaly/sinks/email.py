"""E-mail: one message a transition, in plain words, over SMTP (RFC 5321), encrypted where the settings say so.

The Message-ID is made of what is told: a message that comes twice is the same one to whoever sorts mail by it. All
messages of one alarm refer to one another, so that they show as one conversation.
"""

import math
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Annotated, Literal

import anyio
from msgspec import Meta

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.component.sink import DeferredError, PartlyTakenError, Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.outcomes import Priority
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.security.secrets import Secret
from iot_edge_anomaly.security.trust import trust
from iot_edge_anomaly.sinks.recipients import Recipients, Refused
from iot_edge_anomaly.sinks.settings import NAME, SinkSettings
from iot_edge_anomaly.sinks.wording import text, title

STEP_SECONDS = 10.0
SIGN_IN_PAUSE_SECONDS = 300.0
"""Servers lock out who signs in wrongly too often."""

MISCONFIGURED_PAUSE_SECONDS = 60.0
CHECK_SECONDS = 300.0
"""So long after it was last seen it is looked whether a server is there, while there is no mail for it."""

MOST_SAID = 200
REFUSED = 554

REFUSED_FOR = Signal(
    "email_recipients_refused", "some recipients are left out, the others have the mail", Level.WARNING
)

_ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$(?!\n)"
"""One address and nothing else: `$` alone would let a line end through."""


class EmailSettings(SinkSettings, frozen=True, kw_only=True, tag_field="type", tag="email"):
    """A mail server, and who gets a message for every alarm that is raised."""

    name: Annotated[str, Meta(description=NAME, examples=["shift-mail"], min_length=1)]
    events: Annotated[
        tuple[Event, ...],
        Meta(description="For what there is a message; add `return` to hear when it is over. Empty: for all."),
    ] = (Event.RAISE, Event.RELEASE_ACTIVE)
    host: Annotated[str, Meta(description="The mail server.", examples=["mail.example.com"], min_length=1)]
    port: Annotated[int, Meta(description="465 is usual with tls, 25 with none.", ge=1, le=65535)] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="Encryption: once it is asked for (starttls), from the first byte on (tls), or none at all."),
    ] = "starttls"
    user: Annotated[str | None, Meta(description="Who signs in; none: nobody.", examples=["alarms@example.com"])] = None
    password: Annotated[
        Secret | None, Meta(description="Where the password is found.", examples=[{"env": "MAIL_PASSWORD"}])
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(description="Whom to trust; none: as is usual.", examples=["/etc/ssl/plant-ca.pem"]),
    ] = None
    sender: Annotated[str, Meta(description="Who it is from.", examples=["alarms@example.com"], pattern=_ADDRESS)]
    recipients: Annotated[
        tuple[Annotated[str, Meta(pattern=_ADDRESS)], ...],
        Meta(description="Who gets it.", examples=[["shift@example.com"]], min_length=1),
    ]
    timeout_seconds: Annotated[
        float, Meta(description="How long handing one message over may take.", gt=0.0, le=300.0)
    ] = 30.0

    def __post_init__(self) -> None:
        if self.user is not None and self.security == "none":
            raise ValueError('user must not sign in without encryption: say security = "starttls" or "tls"')


def mail(posting: Posting, settings: EmailSettings) -> EmailMessage:
    """Write the message. No name or note can add a header: each is one line without control characters."""
    domain = settings.sender.rpartition("@")[2]
    written = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    written["From"] = settings.sender
    written["To"] = ", ".join(settings.recipients)
    written["Subject"] = title(posting)
    written["Date"] = formatdate()
    written["Message-ID"] = f"<{posting.id}@{domain}>"
    written["References"] = f"<{posting.event.alarm_id or posting.id}.alarm@{domain}>"
    written["Auto-Submitted"] = "auto-generated"
    if posting.event.priority is Priority.HIGH and not posting.is_test:
        written["Importance"] = "high"
    written.set_content(text(posting))
    return written


class Email:
    """Hands messages over one by one, each in a session of its own."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._password = settings.password.resolve() if settings.password else ""
        self._trust = trust(settings.ca_file)
        self._recipients = Recipients(settings.recipients)
        self._socket: socket.socket | None = None
        self._seen = -math.inf

    async def deliver(self, postings: Sequence[Posting]) -> None:
        """Hand over a message for each; of none, sign in now and again to see that the server is there."""
        for posting in postings:
            await self._hand_over(posting)
        if not postings and anyio.current_time() - self._seen >= CHECK_SECONDS:
            await self._in_time(_greet)

    async def _hand_over(self, posting: Posting) -> None:
        """Hand one over to all who lack it. Raises PartlyTakenError while some have it and others may get it yet."""
        refused = await self._refused(posting)
        left_out = self._recipients.answered(posting.id, refused, anyio.current_time())
        if left_out:
            REFUSED_FOR.emit(len(left_out), recipients=left_out, id=posting.id, said=_said(*refused[left_out[0]]))
        if self._recipients.is_begun(posting.id):
            lacking = self._recipients.of(posting.id)
            said = f"{', '.join(lacking)}: {_said(*refused[lacking[0]])}"
            raise PartlyTakenError(f"{self._where} asks to come back for {said}", 0.0)

    async def _refused(self, posting: Posting) -> Refused:
        to, is_begun = self._recipients.of(posting.id), self._recipients.is_begun(posting.id)
        content = mail(posting, self._settings).as_bytes()
        try:
            return await self._in_time(lambda session: _send(session, self._settings.sender, to, content, is_begun))
        except UnavailableError as error:
            if not is_begun:
                raise
            pause = error.after_seconds if isinstance(error, DeferredError) else 0.0
            raise PartlyTakenError(str(error), pause) from error
        except RejectedError as error:
            if not is_begun:
                raise
            return dict.fromkeys(to, (REFUSED, str(error).encode()))

    async def _in_time(self, work: Callable[[smtplib.SMTP], Refused]) -> Refused:
        try:
            with anyio.fail_after(self._settings.timeout_seconds):
                refused = await anyio.to_thread.run_sync(self._in_session, work, abandon_on_cancel=True)
            self._seen = anyio.current_time()
            return refused
        except TimeoutError as error:
            raise UnavailableError(f"{self._where} does not answer in time") from error
        finally:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)  # ends a thread that still waits for an answer

    def _in_session(self, work: Callable[[smtplib.SMTP], Refused]) -> Refused:
        try:
            with _meanings(self._where):
                session = self._connect()
                self._socket = session.sock
                self._sign_in(session)
                refused = work(session)
            with suppress(smtplib.SMTPException, OSError):
                session.quit()
            return refused
        finally:
            self._socket = None

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        seconds = min(STEP_SECONDS, settings.timeout_seconds)
        if settings.security == "tls":
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=seconds, context=self._trust)
        session = smtplib.SMTP(settings.host, settings.port, timeout=seconds)
        if settings.security == "starttls":
            session.starttls(context=self._trust)
        return session

    def _sign_in(self, session: smtplib.SMTP) -> None:
        if self._settings.user is not None:
            session.login(self._settings.user, self._password)

    @property
    def _where(self) -> str:
        return f"the mail server {self._settings.host}:{self._settings.port}"


@contextmanager
def _meanings(where: str) -> Iterator[None]:
    """Turn what a mail server answers into what is to be done about it."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:  # its text is not repeated: it may hold what was sent
        said = f"{where} does not let the user sign in ({error.smtp_code})"
        raise DeferredError(f"{said}: check user and password", SIGN_IN_PAUSE_SECONDS) from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeferredError(f"{where} cannot do what is asked of it: {error}", MISCONFIGURED_PAUSE_SECONDS) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise _of_settings(f"{where} refuses the recipients", *next(iter(error.recipients.values()))) from error
    except smtplib.SMTPSenderRefused as error:
        raise _of_settings(f"{where} refuses the sender", error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPDataError as error:
        text = f"{where} refuses the message: {_said(error.smtp_code, error.smtp_error)}"
        raise (RejectedError(text) if error.smtp_code >= 500 else UnavailableError(text)) from error
    except ssl.SSLCertVerificationError as error:
        text = f"{where} shows a certificate that is not trusted: {error.verify_message}"
        raise DeferredError(text, MISCONFIGURED_PAUSE_SECONDS) from error
    except smtplib.SMTPResponseException as error:
        raise UnavailableError(f"{where} answers {_said(error.smtp_code, error.smtp_error)}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise UnavailableError(f"{where} cannot be reached: {error}") from error


def _of_settings(what: str, code: int, said: bytes | str) -> UnavailableError:
    """Return the error for an answer that is about the settings and not about this alarm: none may be lost by it."""
    return DeferredError(f"{what}: {_said(code, said)}", MISCONFIGURED_PAUSE_SECONDS if code >= 500 else 0.0)


def _said(code: int, said: bytes | str) -> str:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(words.split())[:MOST_SAID]}"


def _greet(session: smtplib.SMTP) -> Refused:
    """Ask whether the server is there."""
    code, said = session.noop()
    if code >= 400:
        raise smtplib.SMTPResponseException(code, said)
    return {}


def _send(session: smtplib.SMTP, sender: str, to: tuple[str, ...], content: bytes, is_begun: bool) -> Refused:
    """Send, and return who is refused; where all of `to` are and others have it already, that is no outage."""
    try:
        return session.sendmail(sender, to, content)
    except smtplib.SMTPRecipientsRefused as error:
        if not is_begun or set(error.recipients) != set(to):
            raise
        return error.recipients


@asynccontextmanager
async def email(settings: EmailSettings) -> AsyncIterator[Sink]:
    """Open nothing yet."""
    yield Email(settings)


SPEC = SinkSpec("email", EmailSettings, email, most=1)
