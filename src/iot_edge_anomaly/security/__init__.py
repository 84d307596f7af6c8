"""Who is calling: tokens and device credentials."""
