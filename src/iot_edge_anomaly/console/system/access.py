"""Who may come in: devices, tokens and sessions, each of which can be taken away."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nicegui import ui

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.elements import asking, box, button, do, open_dialog, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.security.devices import Device
from iot_edge_anomaly.security.principal import EVERY_TENANT
from iot_edge_anomaly.security.tokens import TokenKind, TokenRecord

LOOK_SECONDS = 2.0
NOTHING = "Nothing is listed that you may take away: that takes the permission to configure all tenants it is good for."
KINDS = {
    TokenKind.BEARER: "access token",
    TokenKind.SESSION: "session",
    TokenKind.SIGN_IN: "sign-in link, not used yet",
}


class Credential(NamedTuple):
    """One line: what it is called, what is to be known of it, and what it is known by."""

    id: str
    name: str
    about: tuple[str, ...]


class Access:
    """Two lists, kept up to date."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._admit = backstage.admit
        self._devices = _Credentials(
            "Devices",
            "They send readings over MQTT.",
            "Whatever uses these credentials can sign in no more.",
            self._remove_device,
        )
        self._tokens = _Credentials(
            "Tokens and sessions",
            "Programs come in with tokens, people with sessions. Who owns the data folder can always make new ones.",
            "Whoever uses it is out at once, and so are the sessions that were opened with it.",
            self._revoke_token,
        )
        visit.every(LOOK_SECONDS, self._update)

    def _update(self) -> None:
        who = self._visit.who
        self._devices.update([device_line(device) for device in self._admit.devices(who)])
        self._tokens.update([token_line(record) for record in self._admit.tokens(who)])

    async def _remove_device(self, name: str) -> None:
        self._admit.remove_device(self._visit.who, name)
        self._update()

    async def _revoke_token(self, token_id: str) -> None:
        self._admit.revoke_token(self._visit.who, token_id)
        self._update()


class _Credentials:
    """A list with a button a line, which asks before it takes anything away."""

    def __init__(self, title: str, hint: str, meaning: str, take_away: Callable[[str], Awaitable[None]]) -> None:
        self._lines: dict[str, ui.element] = {}
        self._asked = Credential("", "", ())
        self._take_away = take_away
        with box("card", "section") as card:
            card.props["aria-label"] = title
            text("h2", title)
            text("p", hint, "hint")
            self._nothing = text("p", NOTHING, "empty")
            self._list = box("credentials", "ul")
        with asking("Take away") as self._dialog:
            self._question = text("p", "", "about")
            text("p", meaning, "hint")
            with box("buttons"):
                button("Take it away", self._confirmed, "primary")
                keep = text("button", "Keep it").props("type=button autofocus")
                keep.on("click", js_handler="e => e.target.closest('dialog').close()")

    def update(self, found: Sequence[Credential]) -> None:
        """Show these."""
        show(self._nothing, not found)
        for gone in set(self._lines) - {one.id for one in found}:
            self._lines.pop(gone).delete()
        for one in found:
            if one.id not in self._lines:
                with self._list:
                    self._lines[one.id] = self._line(one)

    def _line(self, one: Credential) -> ui.element:
        with box("credential", "li") as line:
            with box("what"):
                text("span", one.name, "name")
                for fact in one.about:
                    text("span", fact, "hint")
            remove = button("Take away…", lambda: self._ask(one), "small")
            remove.props["aria-label"] = f"Take away {one.name}"
        return line

    def _ask(self, one: Credential) -> None:
        self._asked = one
        self._question.text = ", ".join((one.name, *one.about))
        open_dialog(self._dialog)

    async def _confirmed(self) -> None:
        ui.run_javascript(f"document.getElementById('{self._dialog.html_id}').close()")
        await do(self._take_away(self._asked.id), f"{self._asked.name} is taken away")


def device_line(device: Device) -> Credential:
    """Return a device as it is listed."""
    return Credential(device.user, device.user, (f"tenant {device.tenant}",))


def token_line(record: TokenRecord) -> Credential:
    """Return a token as it is listed."""
    tenants = "all tenants" if record.tenants == EVERY_TENANT else f"tenant {', '.join(sorted(record.tenants))}"
    ends = "until it is taken away" if record.expires_ns is None else f"until {full_moment(record.expires_ns)}"
    may = ", ".join(sorted(record.permissions)) or "nothing"
    about = (KINDS[record.kind], tenants, f"may {may}", f"since {full_moment(record.created_ns)}, {ends}", record.id)
    return Credential(record.id, record.name, about)
