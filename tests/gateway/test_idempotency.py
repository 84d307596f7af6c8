import pytest

from iot_edge_anomaly.gateway.idempotency import Answers, KeptAnswer, Scope
from iot_edge_anomaly.gateway.problems import ProblemError
from iot_edge_anomaly.security.principal import Permission, Principal

PLC = Principal("plc", frozenset({"acme"}), frozenset(Permission))
SCOPE = (PLC, "/v1/readings", "key")
ANSWER = KeptAnswer(202, b"{}")


def status_of(answers: Answers, scope: Scope, body: bytes) -> int:
    with pytest.raises(ProblemError) as refused:
        answers.begin(scope, body)
    return refused.value.status


def test_an_answer_is_kept_for_its_principal_route_and_key() -> None:
    answers = Answers()
    assert answers.begin(SCOPE, b"a") is None
    answers.finish(SCOPE, ANSWER)
    assert answers.begin(SCOPE, b"a") == ANSWER
    assert answers.begin((Principal("dcs", PLC.tenants, PLC.permissions), *SCOPE[1:]), b"a") is None
    assert answers.begin((Principal("plc", frozenset({"rival"}), PLC.permissions), *SCOPE[1:]), b"a") is None
    assert answers.begin((PLC, "/v1/other", "key"), b"a") is None


def test_a_request_under_way_and_another_body_are_refused() -> None:
    answers = Answers()
    answers.begin(SCOPE, b"a")
    assert status_of(answers, SCOPE, b"a") == 409
    assert status_of(answers, SCOPE, b"b") == 422


def test_what_failed_may_be_tried_again() -> None:
    answers = Answers()
    answers.begin(SCOPE, b"a")
    answers.abandon(SCOPE)
    assert answers.begin(SCOPE, b"b") is None


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_unusable_keys_are_refused(key: str) -> None:
    assert status_of(Answers(), (PLC, "/v1/readings", key), b"a") == 400


def test_the_oldest_answers_make_room() -> None:
    answers = Answers(capacity=2)
    for key in "abc":
        scope = (PLC, "/v1/readings", key)
        answers.begin(scope, b"")
        answers.finish(scope, ANSWER)
    assert answers.begin((PLC, "/v1/readings", "c"), b"") == ANSWER
    assert answers.begin((PLC, "/v1/readings", "a"), b"") is None
