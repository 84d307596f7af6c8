"""Who is trusted, and who is let in: servers with certificates, made for the test."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.opcua import OpcUaPoint, OpcUaSettings
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.security.secrets import Secret

pytest.importorskip("asyncua", reason="no asyncua here; run: make setup")
from opcua_certificates import DAY, make_identity  # type: ignore[import-not-found]
from opcua_servers import OpcUaServer  # type: ignore[import-not-found]

CLOCK = SystemClock()
POINT = OpcUaPoint(node="ns=2;s=Flow", asset="acme/pump", sensor="flow")


class Site:
    """A server with a certificate of an authority, and a client of this very program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = make_identity(folder, "authority", is_authority=True)
        self.identity = make_identity(folder, "server", issuer=self.authority)
        self.client = make_identity(folder, "client")
        self.user = make_identity(folder, "user")
        self.server = OpcUaServer(
            folder,
            certificate=self.identity.certificate_file,
            private_key=self.identity.key_file,
            users={"anomaly": "secret"},
            user_certificate=self.user.certificate_file,
        )
        (folder / "password").write_text("secret\n")

    def settings(self, **changed: Any) -> OpcUaSettings:
        said = {
            "url": self.server.url,
            "certificate": self.client.certificate_file,
            "private_key": self.client.key_file,
            "trusted": self.identity.certificate_file,
            "user": "anomaly",
            "password": Secret(file=str(self.folder / "password")),
            "points": (POINT,),
            "publish_seconds": 0.05,
            **changed,
        }
        return OpcUaSettings(**said)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with site.server:
        site.server.start()
        yield site


def takes_in(said: OpcUaSettings) -> None:
    async def scenario() -> None:
        intake = RecordingIntake()
        async with in_background(CATALOG["opcua"].create(said).run(intake, CLOCK)):
            await until(lambda: bool(intake.batches))

    asyncio.run(scenario())


def refusal(said: OpcUaSettings) -> str:
    with pytest.raises((UnavailableError, ConfigError)) as raised:
        asyncio.run(CATALOG["opcua"].create(said).run(RecordingIntake(), CLOCK))
    return str(raised.value)


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"])
def test_policies_sign_and_encrypt(site: Site, policy: str) -> None:
    takes_in(site.settings(security=policy))


def test_keys_are_renewed_while_values_come(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_calls.CHANNEL_SECONDS", 1.0)
    monkeypatch.setattr("iot_edge_anomaly.connectors.opcua_link.PROBE_SECONDS", 0.2)

    async def scenario() -> None:
        intake = RecordingIntake()
        began = asyncio.get_running_loop().time()
        async with in_background(CATALOG["opcua"].create(site.settings()).run(intake, CLOCK)):
            number = 0.0
            while asyncio.get_running_loop().time() < began + 3:  # several lives of a key
                number += 1
                site.server.write("Flow", number)
                await until(lambda: intake.batches and intake.batches[-1].values()[-1] == number)  # noqa: B023

    asyncio.run(scenario())


def test_messages_may_be_only_signed(site: Site) -> None:
    takes_in(site.settings(mode="Sign", plain_password=True))


def test_who_issued_the_certificate_may_be_trusted(site: Site) -> None:
    takes_in(site.settings(trusted=site.authority.certificate_file))


def test_who_issued_the_certificate_vouches_only_for_the_names_in_it(site: Site, tmp_path: Path) -> None:
    elsewhere = make_identity(tmp_path, "elsewhere", issuer=site.authority, host="plc-9.plant")
    with OpcUaServer(tmp_path, certificate=elsewhere.certificate_file, private_key=elsewhere.key_file) as server:
        server.start()
        said = site.settings(url=server.url, trusted=site.authority.certificate_file, user=None, password=None)
        assert "its certificate is not one of 127.0.0.1" in refusal(said)
        takes_in(site.settings(url=server.url, trusted=elsewhere.certificate_file, user=None, password=None))


def test_a_server_that_nobody_said_to_trust_is_refused(site: Site) -> None:
    text = refusal(site.settings(trusted=site.client.certificate_file))
    assert "the server is not trusted and was refused" in text
    assert "CN=server" in text
    assert "put it into the file that trusted names" in text


def test_a_certificate_of_the_server_that_has_expired_is_refused(site: Site, tmp_path: Path) -> None:
    old = make_identity(tmp_path, "old", starts=-30 * DAY, ends=-DAY)
    with OpcUaServer(tmp_path, certificate=old.certificate_file, private_key=old.key_file) as server:
        server.start()
        said = site.settings(url=server.url, trusted=old.certificate_file, user=None, password=None)
        assert "has expired on" in refusal(said)


@pytest.mark.parametrize(
    ("starts", "ends", "words"), [(-9 * DAY, -DAY, "has expired on"), (DAY, 9 * DAY, "is valid only from")]
)
def test_a_certificate_of_ones_own_that_is_out_of_date_is_said(
    site: Site, tmp_path: Path, starts: timedelta, ends: timedelta, words: str
) -> None:
    own = make_identity(tmp_path, "own", starts=starts, ends=ends)
    text = refusal(site.settings(certificate=own.certificate_file, private_key=own.key_file))
    assert words in text
    assert "own.pem" in text


def test_a_wrong_password_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("guess")
    text = refusal(site.settings(password=Secret(file=str(tmp_path / "wrong"))))
    assert "refuses the user: Bad" in text
    assert "guess" not in text


def test_nobody_is_let_in_without_a_name(site: Site) -> None:
    assert "refuses anybody who does not sign in" in refusal(site.settings(user=None, password=None))


def test_a_user_may_sign_in_by_certificate(site: Site) -> None:
    by_certificate = {"user": None, "password": None}
    takes_in(
        site.settings(
            user_certificate=site.user.certificate_file, user_private_key=site.user.key_file, **by_certificate
        )
    )
    text = refusal(
        site.settings(
            user_certificate=site.client.certificate_file, user_private_key=site.client.key_file, **by_certificate
        )
    )
    assert "refuses the user: Bad" in text


def test_what_the_server_does_not_offer_is_said_with_what_it_does(tmp_path: Path, site: Site) -> None:
    with OpcUaServer(tmp_path) as server:
        server.start()
        text = refusal(site.settings(url=server.url))
    assert "does not offer Basic256Sha256 SignAndEncrypt; it offers: None" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"certificate": "nowhere.pem"}, "cannot read the certificate nowhere.pem"),
        ({"private_key": "nowhere.key"}, "cannot read the private key nowhere.key"),
        ({"trusted": "nowhere.pem"}, "cannot read the certificate nowhere.pem"),
        ({"password": Secret(env="OPCUA_TEST_UNSET")}, "OPCUA_TEST_UNSET"),
    ],
)
def test_files_that_are_not_there_need_a_person(site: Site, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        asyncio.run(CATALOG["opcua"].create(site.settings(**changed)).run(RecordingIntake(), CLOCK))


def test_a_key_of_another_certificate_needs_a_person(site: Site) -> None:
    assert "is not the private key of" in refusal(site.settings(private_key=site.user.key_file))


def test_rubbish_is_no_certificate(site: Site, tmp_path: Path) -> None:
    for content in (b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "rubbish.pem").write_bytes(content)
        assert "cannot use the certificate" in refusal(site.settings(certificate=str(tmp_path / "rubbish.pem")))
