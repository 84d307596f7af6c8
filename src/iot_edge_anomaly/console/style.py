"""The looks of all pages: `style/*.css` beside this file, the shell's first."""

from pathlib import Path

_FOLDER = Path(__file__).with_name("style")
_FILES = sorted(_FOLDER.glob("*.css"), key=lambda file: (file.stem != "shell", file.stem))
STYLE = "\n".join(file.read_text(encoding="utf-8") for file in _FILES)
