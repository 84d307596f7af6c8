"""The looks of all pages, kept in `style.css` beside this file."""

from pathlib import Path

STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
