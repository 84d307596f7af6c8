"""The guide that connects a source."""
