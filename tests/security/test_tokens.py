import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal, owner
from iot_edge_anomaly.security.tokens import TokenKind, TokenStore, ensure_owner_token, token_store

SENDER = Principal("plc-7", frozenset({"acme"}), frozenset({Permission.WRITE_READINGS}))
SECOND_NS = 1_000_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000 * SECOND_NS)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json", clock, recheck_seconds=0)


def test_a_token_names_its_principal_and_stands_nowhere_in_the_file(store: TokenStore, tmp_path: Path) -> None:
    token = store.create(SENDER)
    assert store.verify(token) == SENDER
    secret = token.split("_", 2)[2]
    assert secret not in (tmp_path / "tokens.json").read_text()


def test_the_file_is_for_its_owner_only(store: TokenStore, tmp_path: Path) -> None:
    store.create(SENDER)
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600


@given(st.text(max_size=80))
def test_what_is_no_token_is_nobody(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    store = TokenStore(tmp_path_factory.getbasetemp() / "shared-tokens.json", recheck_seconds=0)
    assert store.verify(text) is None
    assert store.redeem(text) is None


def test_every_changed_character_makes_a_token_wrong(store: TokenStore) -> None:
    token = store.create(SENDER)
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        assert store.verify(token[:place] + other + token[place + 1 :]) is None
    assert store.verify(token) == SENDER


def test_an_expired_token_is_refused_though_it_was_verified_before(store: TokenStore, clock: ManualClock) -> None:
    token = store.create(SENDER, lifetime=timedelta(seconds=10))
    assert store.verify(token) == SENDER
    clock.advance(10 * SECOND_NS)
    assert store.verify(token) is None
    assert store.records() == ()


def test_a_running_process_sees_what_another_creates_and_revokes(tmp_path: Path) -> None:
    gateway = TokenStore(tmp_path / "tokens.json", recheck_seconds=0)
    elsewhere = TokenStore(tmp_path / "tokens.json", recheck_seconds=0)
    token = elsewhere.create(SENDER)
    assert gateway.verify(token) == SENDER
    assert elsewhere.revoke(elsewhere.records()[0].id)
    assert gateway.verify(token) is None
    assert not elsewhere.revoke("no-such-id")


def test_what_another_just_created_is_known_at_once(tmp_path: Path) -> None:
    gateway = TokenStore(tmp_path / "tokens.json", recheck_seconds=3600)
    elsewhere = TokenStore(tmp_path / "tokens.json")
    first = elsewhere.create(owner())
    assert gateway.verify(first) == owner()
    assert gateway.verify(elsewhere.create(owner())) == owner()


def test_what_is_revoked_while_the_file_is_read_is_not_believed_any_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TokenStore(tmp_path / "tokens.json", recheck_seconds=3600)
    token = store.create(owner())
    read = TokenStore._read

    def read_and_revoke(self: TokenStore) -> object:
        records = read(self)
        monkeypatch.setattr(TokenStore, "_read", read)
        store.revoke(token.split("_")[1])
        return records

    monkeypatch.setattr(TokenStore, "_read", read_and_revoke)
    store.verify(token)
    assert store.verify(token) is None


def test_a_sign_in_token_works_once_and_is_no_bearer_token(store: TokenStore, tmp_path: Path) -> None:
    token = store.create_sign_in(owner())
    assert store.verify(token) is None
    restarted = TokenStore(tmp_path / "tokens.json", store._clock)
    assert restarted.redeem(token) == owner()
    assert store.redeem(token) is None


def test_a_bearer_token_signs_nobody_in(store: TokenStore) -> None:
    assert store.redeem(store.create(SENDER)) is None


def test_a_sign_in_token_expires(store: TokenStore, clock: ManualClock) -> None:
    token = store.create_sign_in(SENDER, timedelta(minutes=1))
    clock.advance(60 * SECOND_NS)
    assert store.redeem(token) is None


REDEEM = """
import sys
from pathlib import Path
from iot_edge_anomaly.security.tokens import TokenStore
sys.stdin.readline()
print(TokenStore(Path(sys.argv[1])).redeem(sys.argv[2]) is not None)
"""


def test_of_many_processes_only_one_signs_in(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = TokenStore(path).create_sign_in(owner())
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", REDEEM, str(path), token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [rival.communicate("go\n", timeout=60)[0].strip() for rival in rivals]
    assert sorted(answers) == ["False", "False", "False", "True"]


def test_the_first_start_makes_an_owner_and_later_ones_do_not(tmp_path: Path) -> None:
    path = ensure_owner_token(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text().strip()
    assert token_store(tmp_path).verify(token) == owner()
    path.unlink()
    assert not ensure_owner_token(tmp_path).exists()
    assert [record.kind for record in token_store(tmp_path).records()] == [TokenKind.BEARER]


def test_a_damaged_file_is_named_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text("{")
    store = TokenStore(path)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"tokens\.json"):
            store.verify("iea_a_b")
    with pytest.raises(ConfigError, match=r"tokens\.json"):
        store.create(SENDER)
    assert path.read_text() == "{"


def test_a_principal_may_only_what_it_was_given_where_it_was_given() -> None:
    SENDER.require(Permission.WRITE_READINGS, "acme")
    with pytest.raises(ForbiddenError, match="tenant 'other'"):
        SENDER.require(Permission.WRITE_READINGS, "other")
    with pytest.raises(ForbiddenError, match="permission 'operate'"):
        SENDER.require(Permission.OPERATE, "acme")
    owner().require(Permission.CONFIGURE, "any tenant")


def test_a_session_ends_with_the_token_it_rests_on(store: TokenStore, clock: ManualClock) -> None:
    day, hour = timedelta(days=1), timedelta(hours=1)
    short, long = store.create(owner(), lifetime=hour), store.create(owner())
    sessions = [store.open_session(token, day) for token in (short, long)]
    for session in sessions:
        assert session is not None
        assert store.verify(session, TokenKind.SESSION) == owner()
        assert store.verify(session) is None, "a session is no access token"
        assert store.open_session(session, day) is None, "and opens no other one"
    clock.advance(2 * hour // timedelta(microseconds=1) * 1_000)
    assert [store.verify(str(session), TokenKind.SESSION) for session in sessions] == [None, owner()]
    store.revoke(long.split("_")[1])
    assert store.verify(str(sessions[1]), TokenKind.SESSION) is None
