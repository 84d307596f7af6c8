"""Pages that need no script: signing in, and what went wrong where no page could be shown."""

from html import escape

from starlette.responses import HTMLResponse

from iot_edge_anomaly.console.style import STYLE


def plain_page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """Return a page; `body` is HTML."""
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · IoT Edge Anomaly</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>{STYLE}</style></head><body class="sign-in"><main class="iea"><h1>IoT Edge Anomaly</h1>
{body}</main></body></html>""",
        status,
    )
