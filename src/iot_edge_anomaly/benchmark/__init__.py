"""The benchmark of detectors on labelled suites: peers, yardsticks, metrics, tables and a page of plots."""
