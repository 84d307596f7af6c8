"""Assets: listed, found, looked at one by one."""
