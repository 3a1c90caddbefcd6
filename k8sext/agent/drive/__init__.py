"""Client probes: the drivers that applications use."""
