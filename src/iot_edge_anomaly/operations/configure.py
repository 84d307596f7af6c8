"""Change what is set up in the console: `<data_dir>/console.toml`, checked, compared, kept in versions.

The file given with `--config` belongs to whoever wrote it: it is shown and never written. What pages change stands in
a file of its own, `[[connector]]` and `[[asset]]` tables only, read after that one; running systems take it into use
within seconds. Who changed it and when stands in the bucket of configurations, with the text, 64 versions long.
"""

import difflib
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import CONFIGURATION
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError, RejectedError
from iot_edge_anomaly.core.toml import as_block
from iot_edge_anomaly.security.principal import EVERY_TENANT, ForbiddenError, Permission, Principal
from iot_edge_anomaly.security.private_file import write_private
from iot_edge_anomaly.security.secrets import Secret

FILE = "console.toml"
HISTORY = "console"
"""The key of the versions in the bucket of configurations."""

MOST_CHARACTERS = 200_000
LONGEST_NOTE = 500
CHANGED = "somebody else changed the configuration meanwhile; look at it again"


class Finding(NamedTuple):
    """Something wrong with a configuration: on which line, at which key."""

    line: int
    key: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key + ': ' if self.key else ''}{self.text}"


Check = Callable[[str], Sequence[Finding]]
"""Lists what is wrong with the text of the file."""


class Version(msgspec.Struct, frozen=True):
    """What the file said from `at_ns` on, who wrote it so, and why."""

    text: str
    by: str
    at_ns: int
    note: str = ""


class Invalid(ConfigError):  # noqa: N818 - what it is, not what it does
    """The text was not taken: `findings` say what is wrong with it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings


def added_file(data_dir: Path) -> Path:
    """Return where what is set up in the console stands."""
    return data_dir / FILE


def read_added(data_dir: Path) -> str:
    """Return what is set up in the console, as text; nothing where nothing was. Raises ConfigError."""
    try:
        return added_file(data_dir).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {added_file(data_dir)}: {error}; restore it or move it away") from error


@dataclass(frozen=True)
class Configure:
    """Look at and change the configuration of the console. Each act raises ForbiddenError first of all."""

    bus: Bus
    data_dir: Path
    check: Check

    def current(self, by: Principal) -> str:
        """Return the text that is in force. Raises ForbiddenError, ConfigError."""
        require_everything(by)
        return read_added(self.data_dir)

    def findings(self, by: Principal, text: str) -> Sequence[Finding]:
        """List what is wrong with a text; nothing is changed."""
        require_everything(by)
        return self._findings(text)

    async def apply(self, by: Principal, text: str, base: str, note: str = "") -> None:
        """Put a text in force in place of `base`.

        Raises Invalid; RejectedError when somebody else changed it meanwhile; UnavailableError when it cannot be kept
        in versions (nothing is changed then).
        """
        require_everything(by)
        await self._apply(by, text, base, note)

    async def versions(self, by: Principal) -> list[Version]:
        """Return what the file said before, the newest first. Raises ForbiddenError, UnavailableError."""
        require_everything(by)
        kept = await self.bus.versions(CONFIGURATION, HISTORY)
        return [msgspec.json.decode(value, type=Version) for value, _ in reversed(kept)]

    def proposal(self, by: Principal, blocks: str, tenant: str) -> tuple[str, str]:
        """Return the file as it is and as it would be with these blocks at its end, each as a person may see it.

        Whoever reaches one tenant only sees what is added and nothing of what is there.
        """
        by.require(Permission.CONFIGURE, tenant)
        if by.tenants != EVERY_TENANT:
            return "", blocks
        now = read_added(self.data_dir)
        return now, with_blocks(now, blocks)

    async def add(
        self,
        by: Principal,
        connector: msgspec.Struct,
        rule: dict[str, object] | None,
        tenant: str,
        password: str | None = None,
    ) -> None:
        """Add a connector, and a rule for its assets. Raises as `apply`.

        The password of a broker goes into a file of its own, for the owner of the data folder only.
        """
        require_connector(by, connector, tenant)
        if by.tenants != EVERY_TENANT and rule is not None and not _is_within(rule, tenant):
            raise ForbiddenError(f"a rule of {by.name!r} must match assets of {tenant!r} only")
        secret = Path("security") / f"broker-{secrets.token_hex(6)}.password"
        if password:
            connector = msgspec.structs.replace(connector, password=Secret(file=str(secret)))
            write_private(self.data_dir / secret, password.encode())
        try:
            await self._append(by, blocks_of(connector, rule), f"connected {_tag(connector)} for {tenant}")
        except IotEdgeAnomalyError:
            (self.data_dir / secret).unlink(missing_ok=True)
            raise

    async def _append(self, by: Principal, blocks: str, note: str) -> None:
        if findings := self._findings(blocks):
            raise Invalid(findings)
        base = read_added(self.data_dir)
        if self._findings(base):
            raise RejectedError(f"{FILE} has mistakes already; who may configure all tenants must mend it first")
        await self._apply(by, with_blocks(base, blocks), base, note)

    def _findings(self, text: str) -> Sequence[Finding]:
        if len(text) > MOST_CHARACTERS:
            return [Finding(1, "", f"{len(text)} characters are more than the {MOST_CHARACTERS} this file may have")]
        return self.check(text)

    async def _apply(self, by: Principal, text: str, base: str, note: str) -> None:
        if findings := self._findings(text):
            raise Invalid(findings)
        known = await self.bus.get_key(CONFIGURATION, HISTORY)
        if read_added(self.data_dir) != base:
            raise RejectedError(CHANGED)
        version = msgspec.json.encode(Version(text, by.name, time.time_ns(), note[:LONGEST_NOTE]))
        try:
            await self.bus.put_key(CONFIGURATION, HISTORY, version, revision=known[1] if known else 0)
        except FencedError as error:
            raise RejectedError(CHANGED) from error
        write_private(added_file(self.data_dir), text.encode())


def require_everything(by: Principal) -> None:
    """Return if this principal may configure all tenants. Raises ForbiddenError."""
    if Permission.CONFIGURE not in by.permissions:
        raise ForbiddenError(f"{by.name!r} lacks the permission {Permission.CONFIGURE.value!r}")
    if by.tenants != EVERY_TENANT:
        raise ForbiddenError(f"the configuration concerns all tenants; {by.name!r} has access to some of them")


def require_connector(by: Principal, connector: msgspec.Struct, tenant: str) -> None:
    """Return if this principal may connect that. Raises ForbiddenError.

    Who reaches some tenants only may bring readings in for these, over the network: files of this machine are read in
    the name of whoever owns all of it.
    """
    by.require(Permission.CONFIGURE, tenant)
    if by.tenants == EVERY_TENANT:
        return
    if not isinstance(connector, MqttSettings) or connector.ca_file is not None:
        said = "it reads files of this machine, or may bring in readings of any tenant"
        raise ForbiddenError(f"this connector needs access to all tenants: {said}; {by.name!r} has it to some")
    if connector.tenant != tenant:
        raise ForbiddenError(f"{by.name!r} must name the tenant that all assets of this broker belong to")


def blocks_of(connector: msgspec.Struct, rule: dict[str, object] | None = None) -> str:
    """Write a connector, and a rule, as tables of a configuration file; what is left at its default is left out."""
    said = msgspec.to_builtins(connector)
    fields = msgspec.structs.fields(connector)
    told = [field.encode_name for field in fields if getattr(connector, field.name) != field.default]
    table = {"type": _tag(connector), **{name: said[name] for name in told}}
    return as_block("connector", table) + ("\n" + as_block("asset", rule) if rule else "")


def with_blocks(text: str, blocks: str) -> str:
    """Return a text with tables at its end."""
    return f"{text.rstrip()}\n\n{blocks}" if text.strip() else blocks


def without_secrets(text: str) -> str:
    """Return a configuration with what may be a secret hidden: credentials in addresses, plain passwords and tokens.

    >>> without_secrets('url = "nats://me:1234@host:4222"  # ours')
    'url = "nats://…@host:4222"  # ours'
    """
    hidden = re.sub(r"(\w://)[^/@\s\"']*@", r"\1…@", text)
    return re.sub(r"(?m)^(\s*\w*(?:password|secret|token|key)\w*\s*=\s*)([\"'].*)$", r'\1"…"', hidden)


def difference(before: str, after: str) -> list[str]:
    """Return the lines that go (`-`) and come (`+`), with a little of what stays around them."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return [line for line in found if not line.startswith(("---", "+++"))]


def _tag(connector: msgspec.Struct) -> str:
    return str(connector.__struct_config__.tag)


def _is_within(rule: Mapping[str, object], tenant: str) -> bool:
    """Tell whether a rule matches assets of one tenant only; a tenant's name may hold what is a wildcard in a rule."""
    return not set(tenant) & set("*?[") and str(rule.get("match", "")).startswith(f"{tenant}/")
