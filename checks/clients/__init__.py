"""Client probes, one file per official driver."""
