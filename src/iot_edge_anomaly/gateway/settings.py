"""What the HTTP API can be told."""

from typing import Annotated

import msgspec
from msgspec import Meta


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP API."""

    host: Annotated[
        str, Meta(description="Address to listen on. Anything but loopback opens the API to the network.")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(description="0: 8080 if it is free at the first start, else any; the choice is kept.", ge=0, le=65535),
    ] = 0
    max_body_bytes: Annotated[int, Meta(description="Larger requests are refused.", ge=1, le=1 << 30)] = 4_000_000
    requests_per_second: Annotated[
        int, Meta(description="How many requests one identity may send, on average.", ge=1)
    ] = 50_000
    burst: Annotated[int, Meta(description="How many requests one identity may send at once.", ge=1)] = 100_000
