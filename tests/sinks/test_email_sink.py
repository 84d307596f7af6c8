"""Mail against a real SMTP server: what people read, what no name can smuggle in, what refusals mean."""

import asyncio
import email
import email.policy
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest
from certificates import make_certificate  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st
from mail_target import PASSWORD, USER, MailServer  # type: ignore[import-not-found]
from outlets import own_name, running  # type: ignore[import-not-found]
from postings import ListFeed, posting  # type: ignore[import-not-found]
from sink_bus import SinkBus  # type: ignore[import-not-found]
from sink_targets import secret  # type: ignore[import-not-found]
from structlog.testing import capture_logs
from waiting import until  # type: ignore[import-not-found]

from iot_edge_anomaly.component.sink import DeferredError, PartlyTakenError, Posting
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Priority
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.sinks import email as email_module
from iot_edge_anomaly.sinks import recipients, runner
from iot_edge_anomaly.sinks.email import EmailSettings, mail
from iot_edge_anomaly.sinks.email import email as email_sink
from iot_edge_anomaly.sinks.wording import text, title

HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "Importance"]
MIME = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
KNOWN = {"name": "mail", "host": "127.0.0.1", "sender": "alarms@example.com", "recipients": ("shift@example.com",)}


@pytest.fixture
def server() -> Iterator[MailServer]:
    running = MailServer()
    running.start()
    yield running
    running.stop()


def settings(port: int, **more: object) -> EmailSettings:
    return EmailSettings(**{**KNOWN, "port": port, "security": "none", "timeout_seconds": 5.0, **more})  # type: ignore[arg-type]


def deliver(wanted: EmailSettings, *batch: Posting) -> None:
    async def scenario() -> None:
        async with email_sink(wanted) as sink:
            await sink.deliver(batch or [posting(1)])

    asyncio.run(scenario())


def test_a_mail_says_what_happened_in_any_script(server: MailServer) -> None:
    one = posting(3, key=AssetKey("acme", "Werk Süd/泵-1"), note="Ventil öffnet nicht ✓", by="Jürgen")
    deliver(settings(server.port, recipients=("a@example.com", "b@example.com")), one)
    (message,), (envelope,) = server.taken, server.envelopes
    assert message["Subject"] == title(one)
    assert message.get_content().replace("\r\n", "\n") == text(one)
    assert message["To"] == "a@example.com, b@example.com"
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com"]
    assert envelope.mail_from == message["From"] == "alarms@example.com"
    assert message["Importance"] == "high"


def test_a_repeat_is_the_same_message_and_all_of_an_alarm_is_one_conversation(server: MailServer) -> None:
    raised, over = posting(1, alarm_id="A7"), posting(9, event="return", alarm_id="A7")
    deliver(settings(server.port), raised, raised, over, posting(11, alarm_id="A8"))
    ids = [message["Message-ID"] for message in server.taken]
    assert ids[0] == ids[1] == f"<{raised.id}@example.com>"
    assert len(set(ids)) == 3
    threads = [message["References"] for message in server.taken]
    assert threads[0] == threads[1] == threads[2] != threads[3]


NASTY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)
INJECTED = st.one_of(NASTY, st.builds("{}\r\nBcc: eve@example.com\r\n\r\n{}".format, NASTY, NASTY))


@given(INJECTED, INJECTED, INJECTED, st.sampled_from(Priority))
def test_no_name_reason_or_note_can_add_a_header(asset: str, reason: str, note: str, priority: Priority) -> None:
    one = posting(1, key=AssetKey("acme", asset), reason=reason, note=note, by="x", priority=priority)
    read = email.message_from_bytes(mail(one, settings(25)).as_bytes(), policy=email.policy.default)
    assert set(read.keys()) <= {*HEADERS, *MIME}
    assert len(read.keys()) == len(set(read.keys()))
    assert read["To"] == "shift@example.com"
    assert not read.is_multipart()


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [("554 spam", RejectedError), ("552 too big", RejectedError), ("451 later", UnavailableError)],
)
def test_what_a_refusal_of_the_message_means(
    answer: str, meaning: type[IotEdgeAnomalyError], server: MailServer
) -> None:
    server.answer = lambda message: answer
    with pytest.raises(meaning, match=answer):
        deliver(settings(server.port))


@pytest.mark.parametrize("answer", ["550 no such mailbox", "450 greylisted"])
def test_recipients_who_are_refused_cost_no_alarm(answer: str, server: MailServer) -> None:
    server.answer_recipient = lambda address: answer
    with pytest.raises(DeferredError, match=answer):
        deliver(settings(server.port))


def test_who_is_refused_for_ever_keeps_no_mail_from_the_others_and_is_named(server: MailServer) -> None:
    server.answer_recipient = lambda address: "550 gone" if address.startswith("b") else "250 fine"
    with capture_logs() as lines:
        deliver(settings(server.port, recipients=("a@example.com", "b@example.com")))
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["a@example.com"]]
    assert [line["recipients"] for line in lines] == [["b@example.com"]]


def test_who_may_get_it_later_gets_it_later_and_the_others_not_again(server: MailServer) -> None:
    answers = {"a@example.com": ["250 fine"], "b@example.com": ["452 full", "452 full", "250 fine"]}
    server.answer_recipient = lambda address: answers[address].pop(0)

    async def scenario() -> None:
        async with email_sink(settings(server.port, recipients=tuple(answers))) as sink:
            for _ in range(2):
                with pytest.raises(PartlyTakenError, match=r"b@example\.com: 452 full"):
                    await sink.deliver([posting(1)])
            await sink.deliver([posting(1)])

    asyncio.run(scenario())
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["a@example.com"], ["b@example.com"]]
    assert {message["Message-ID"] for message in server.taken} == {f"<{posting(1).id}@example.com>"}


def test_an_outage_before_all_have_it_does_not_make_the_others_get_it_again(server: MailServer) -> None:
    server.answer_recipient = lambda address: "452 full" if address.startswith("b") else "250 fine"

    async def scenario() -> None:
        async with email_sink(settings(server.port, recipients=("a@example.com", "b@example.com"))) as sink:
            with pytest.raises(PartlyTakenError):
                await sink.deliver([posting(1)])
            server.answer_recipient = lambda address: "250 fine"
            await asyncio.to_thread(server.stop)
            with pytest.raises(PartlyTakenError, match="cannot be reached"):
                await sink.deliver([posting(1)])
            await asyncio.to_thread(server.start)
            await sink.deliver([posting(1)])

    asyncio.run(scenario())
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["a@example.com"], ["b@example.com"]]


def test_who_turns_out_to_be_refused_for_ever_at_the_second_try_is_named(server: MailServer) -> None:
    answers = {"a@example.com": ["250 fine"], "b@example.com": ["452 full", "250 fine"]}
    server.answer_recipient = lambda address: answers[address].pop(0)

    async def scenario() -> None:
        async with email_sink(settings(server.port, recipients=tuple(answers))) as sink:
            with pytest.raises(PartlyTakenError):
                await sink.deliver([posting(1)])
            server.answer = lambda message: "554 spam"
            await sink.deliver([posting(1)])

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert [line["recipients"] for line in lines] == [["b@example.com"]]


def test_a_full_mailbox_holds_up_no_later_mail_for_ever(
    server: MailServer, sink_bus: SinkBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "PATIENCE_SECONDS", 0.2)
    for name in ("FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(runner, name, 0.02)
    server.answer_recipient = lambda address: "452 full" if address.startswith("b") else "250 fine"
    wanted = own_name(settings(server.port, recipients=("a@example.com", "b@example.com")))
    raised = [posting(number) for number in range(1, 6)]

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(raised), [(wanted, None)]) as (out,):
            await until(lambda: out.health.delivered == 5 and out.health.state is State.UP)
            assert (out.health.outages, out.health.set_aside) == (1, 0)

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["a@example.com"]] * 5
    assert [message["Message-ID"] for message in server.taken] == [f"<{one.id}@example.com>" for one in raised]
    named = [(line["id"], line["recipients"]) for line in lines if "recipients" in line]
    assert named == [(one.id, ["b@example.com"]) for one in raised]


def test_a_server_is_tried_at_first_and_then_now_and_again_without_a_mail(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with email_sink(settings(server.port)) as sink:
            for _ in range(3):
                await sink.deliver([])
            assert server.checks == 1
            monkeypatch.setattr(email_module, "CHECK_SECONDS", 0.0)
            await sink.deliver([])
            assert server.checks == 2
            monkeypatch.setattr(email_module, "CHECK_SECONDS", 3600.0)
            await asyncio.to_thread(server.stop)
            await sink.deliver([])
            monkeypatch.setattr(email_module, "CHECK_SECONDS", 0.0)
            with pytest.raises(UnavailableError, match="cannot be reached"):
                await sink.deliver([])

    asyncio.run(scenario())
    assert server.taken == []


def test_a_mail_that_was_taken_is_proof_enough(server: MailServer) -> None:
    async def scenario() -> None:
        async with email_sink(settings(server.port)) as sink:
            await sink.deliver([posting(1)])
            await sink.deliver([])

    asyncio.run(scenario())
    assert server.checks == 0


def test_no_password_goes_to_a_server_that_offers_no_encryption(server: MailServer, tmp_path: Path) -> None:
    wanted = settings(server.port, security="starttls", user=USER, password=secret(tmp_path, "mail", PASSWORD))
    with pytest.raises(DeferredError, match="STARTTLS"):
        deliver(wanted)
    assert server.taken == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the server does not see that it is encrypted from the start
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_is_verified_and_then_it_is_signed_in(security: str, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    server = MailServer(made.server(), signs_in=True, from_first_byte=security == "tls")
    server.start()
    try:
        wanted = settings(server.port, security=security, user=USER, password=secret(tmp_path, "mail", PASSWORD))
        with pytest.raises(DeferredError, match="certificate that is not trusted"):
            deliver(wanted)
        assert server.taken == []
        deliver(msgspec.structs.replace(wanted, ca_file=str(made.certificate)))
        assert len(server.taken) == 1
    finally:
        server.stop()


def test_a_server_that_says_nothing_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnavailableError):
        deliver(settings(silent.getsockname()[1], timeout_seconds=0.3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipients": []},
        {"recipients": ["shift@example.com\r\nBcc: eve@example.com"]},
        {"recipients": ["nobody"]},
        {"sender": "a@example.com, eve@example.com"},
        {"sender": "a@example.com\n"},
        {"security": "none", "user": "alarms"},
        {"host": ""},
    ],
)
def test_what_can_be_no_address_is_told_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "email", **KNOWN, **wrong}, EmailSettings)


def test_by_default_there_is_a_mail_for_what_is_raised_and_none_for_the_rest() -> None:
    wanted = settings(25)
    events = ("raise", "re-raise", "return", "acknowledge", "shelve", "release-active", "release-normal")
    assert [event for event in events if wanted.wants(posting(1, event=event))] == ["raise", "release-active"]


def test_a_trial_is_not_urgent(server: MailServer) -> None:
    deliver(settings(server.port), posting(0, 5))
    (message,) = server.taken
    assert isinstance(message, EmailMessage)
    assert message["Subject"].startswith("TEST, no alarm")
    assert message["Importance"] is None
