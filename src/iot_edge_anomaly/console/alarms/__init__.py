"""Alarms: listed, searched, told, acted upon."""
