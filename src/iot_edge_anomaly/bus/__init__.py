"""JetStream: the embedded server, streams, codec and the exactly-once processor."""
