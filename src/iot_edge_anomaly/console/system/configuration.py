"""The configuration: what the file of `--config` says, what is set up in the console, and what that said before."""

from pathlib import Path

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.elements import box, button, show, text
from iot_edge_anomaly.console.fields import Editor, Field, difference_lines
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError
from iot_edge_anomaly.operations.configure import (
    FILE,
    Version,
    difference,
    require_everything,
    without_secrets,
)
from iot_edge_anomaly.security.principal import ForbiddenError

MOST_FINDINGS = 12


class Configuration:
    """An editor that checks while one types, shows what would change, and the versions there were."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        try:
            require_everything(visit.who)
            self._base = backstage.configure.current(visit.who)
        except (ForbiddenError, ConfigError) as error:
            text("p", f"Not shown: {error}.")
            return
        self._show_editor()
        self._versions = box("card", "section").props('aria-label="Versions"')
        with box("card", "section").props('aria-label="The file of --config"'):
            self._show_file()
        visit.every(3600.0, self._show_versions)

    def _show_editor(self) -> None:
        with box("card", "section") as card:
            card.props["aria-label"] = FILE
            text("h2", f"Set up in the console: {FILE}")
            said = "[[connector]] and [[asset]] tables, read after the file of --config; later rules win."
            text("p", said, "hint")
            self._editor = Editor("Text", self._base, rows=16, changed=self._check)
            with box("").props("role=status"):
                self._findings = box("findings", "ul").props('aria-label="What is wrong"')
            self._changes = box("changes")
            with box("apply"):
                self._note = Field("Why", hint="For those who read it later.")
                with box("buttons"):
                    self._apply = button("Apply", self._on_apply, "primary")
                    self._back = button("Discard the changes", self._on_reset, "quiet")
            self._said = text("p", "", "state").props("role=status")
        self._check()

    def _check(self) -> None:
        """Say what is wrong with the text, and what it would change."""
        changed = self._editor.value
        found = self._backstage.configure.findings(self._visit.who, changed)
        self._findings.clear()
        with self._findings:
            for one in found[:MOST_FINDINGS]:
                text("li", str(one), "wrong")
        lines = difference(self._base, changed)
        self._changes.clear()
        with self._changes:
            if lines:
                difference_lines(lines)
        self._apply.props["disabled"] = bool(found) or changed == self._base
        show(self._back, changed != self._base)

    async def _on_apply(self) -> None:
        wanted = self._editor.value
        try:
            await self._backstage.configure.apply(self._visit.who, wanted, self._base, self._note.value)
        except IotEdgeAnomalyError as error:
            self._said.text = f"Not applied: {error}"
            return
        self._base = wanted
        self._note.fill("")
        self._said.text = "Applied: connectors and rules are in use within seconds."
        self._check()
        await self._show_versions()

    def _on_reset(self) -> None:
        """Take what is in force now, also what somebody else applied meanwhile."""
        try:
            self._base = self._backstage.configure.current(self._visit.who)
        except IotEdgeAnomalyError as error:
            self._said.text = str(error)
            return
        self._editor.fill(self._base)
        self._check()

    async def _show_versions(self) -> None:
        try:
            versions = await self._backstage.configure.versions(self._visit.who)
        except IotEdgeAnomalyError as error:
            versions, trouble = [], str(error)
        else:
            trouble = "" if versions else "Nothing was set up in the console yet."
        self._versions.clear()
        with self._versions:
            text("h2", "Versions")
            text("p", trouble or "The newest 64 are kept.", "hint")
            with box("versions", "ul"):
                for number, version in enumerate(versions):
                    self._show_version(version, versions[number + 1].text if number + 1 < len(versions) else "")

    def _show_version(self, version: Version, before: str) -> None:
        with box("version", "li"), box("", "details"):
            with box("", "summary"):
                text("span", full_moment(version.at_ns), "name")
                text("span", f"by {version.by}")
                text("span", version.note, "hint")
            difference_lines(difference(before, version.text) or ["(nothing changed)"])
            button("Bring it back", lambda: self._on_bring_back(version), "small")

    def _on_bring_back(self, version: Version) -> None:
        self._editor.fill(version.text)
        self._note.fill(f"as it was on {full_moment(version.at_ns)}")
        self._said.text = "Look at what would change, then apply it."
        self._check()

    def _show_file(self) -> None:
        path = self._backstage.config_file
        text("h2", "The file of --config")
        if not path:
            text("p", "This system was started without one: the defaults hold.", "hint")
            return
        text("p", f"{path}. It belongs to whoever wrote it and is read at start; secrets are hidden.", "hint")
        try:
            content = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            text("p", f"It cannot be read any more: {error.strerror}", "wrong")
            return
        text("pre", without_secrets(content), "file").props('tabindex=0 aria-label="The file of --config"')
