"""What the HTTP API can be told."""

import msgspec


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP API. `port` 0: 8080 if it is free at the first start, else any; the choice is recorded.

    Each principal may send `requests_per_second` on average and `burst` at once.
    """

    host: str = "127.0.0.1"
    port: int = 0
    max_body_bytes: int = 4_000_000
    requests_per_second: int = 50_000
    burst: int = 100_000
