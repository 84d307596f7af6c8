"""What runs behind the plant, and who may come in."""
