"""The web page: reads views, acts through operations."""
