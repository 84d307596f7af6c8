"""Who looks at the page: a cookie that holds a token of its own, made by a sign-in link or an access token."""

from datetime import timedelta
from http.cookies import CookieError, SimpleCookie

from iot_edge_anomaly.security.principal import Principal
from iot_edge_anomaly.security.tokens import TokenStore

COOKIE = "iot_edge_anomaly_session"
SESSION_LIFETIME = timedelta(hours=12)


class Sessions:
    """Sessions are tokens like any other: seen in `token list`, ended by `token revoke`, good after a restart."""

    def __init__(self, tokens: TokenStore) -> None:
        self._tokens = tokens

    def open(self, token: str) -> str | None:
        """Use up a sign-in token, or take an access token, and return a session; None when it is neither."""
        token = token.strip()
        principal = self._tokens.redeem(token) or self._tokens.verify(token)
        return None if principal is None else self._tokens.create(principal, lifetime=SESSION_LIFETIME)

    def principal(self, session: str | None) -> Principal | None:
        """Return whose session this is; None when there is none, or it was ended or has expired."""
        return self._tokens.verify(session) if session else None

    def close(self, session: str) -> None:
        """End a session that `principal` knows."""
        self._tokens.revoke(session.split("_")[1])


def session_of(cookie_header: str) -> str | None:
    """Return the session that a Cookie header carries.

    >>> session_of("theme=dark; iot_edge_anomaly_session=iea_1_x")
    'iea_1_x'
    """
    try:
        morsel = SimpleCookie(cookie_header).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None
