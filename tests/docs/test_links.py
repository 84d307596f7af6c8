"""Links between the pages lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOUND = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
PAGES = sorted(str(page.relative_to(ROOT)) for page in FOUND if page.name != "CHANGELOG.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that a web page of Markdown gives to headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = [line.lstrip("#").strip() for line in text.splitlines() if re.match(r"#+ ", line)]
    return {"".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_") for heading in headings}


def test_there_are_pages() -> None:
    assert {"README.md", "docs/README.md", "docs/tutorial.md"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name}: {link}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for name in PAGES:
        if name.startswith("docs/") and not name.startswith("docs/adr/") and name != "docs/README.md":
            assert f"({name.removeprefix('docs/')})" in index, name
