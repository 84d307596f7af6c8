"""What the streams said, as tables for months and years: Delta Lake, written once."""
