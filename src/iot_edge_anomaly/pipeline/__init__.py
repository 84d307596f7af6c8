"""The pure function step(): clean, fuse, score, alarm, and the state it carries."""
