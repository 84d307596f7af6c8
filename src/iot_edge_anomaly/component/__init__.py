"""What the parts promise each other: Protocols of connectors and detectors."""
