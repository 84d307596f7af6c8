"""Who looks at the page: a cookie that holds a session, opened by a sign-in link or an access token."""

from datetime import timedelta
from http.cookies import CookieError, SimpleCookie

from iot_edge_anomaly.security.principal import Principal
from iot_edge_anomaly.security.tokens import TokenKind, TokenStore

COOKIE = "iot_edge_anomaly_session"
SESSION_LIFETIME = timedelta(hours=12)


class Sessions:
    """Sessions are kept with the tokens: seen in `token list`, ended by `token revoke`, good after a restart.

    One that rests on an access token ends with it. A session opens no other one, and nothing but the page.
    """

    def __init__(self, tokens: TokenStore) -> None:
        self._tokens = tokens

    def open(self, token: str) -> str | None:
        """Use up a sign-in token, or take an access token, and return a session; None when it is neither."""
        token = token.strip()
        who = self._tokens.redeem(token)
        if who is not None:
            return self._tokens.create(who, lifetime=SESSION_LIFETIME, kind=TokenKind.SESSION)
        return self._tokens.open_session(token, SESSION_LIFETIME)

    def principal(self, session: str | None) -> Principal | None:
        """Return whose session this is; None when there is none, or it was ended or has expired."""
        return self._tokens.verify(session, TokenKind.SESSION) if session else None

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
