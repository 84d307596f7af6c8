"""The control database: SQLite beside the streams, or PostgreSQL."""
