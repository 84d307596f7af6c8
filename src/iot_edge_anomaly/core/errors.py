"""The errors this project raises. Each tells the caller what to do."""


class IotEdgeAnomalyError(Exception):
    """Root of all errors that this project raises on purpose."""


class ConfigError(IotEdgeAnomalyError):
    """Stop and show the user: the text says what is wrong, where, and what to write instead."""


class UnavailableError(IotEdgeAnomalyError):
    """Retry later: a part this call needs is down, full or slow. Nothing was acknowledged."""


class OverloadError(IotEdgeAnomalyError):
    """Give less at once, after loading the state anew: this took more memory than it may."""


class RejectedError(IotEdgeAnomalyError):
    """Set this record aside, keep it and count it: no retry will make it valid."""


class FatalError(IotEdgeAnomalyError):
    """Stop this component: going on would break a promise."""
