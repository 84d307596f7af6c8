"""The pages, one file each; each ends in its spec."""
