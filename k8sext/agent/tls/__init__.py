"""TLS of a target, and what is said of it."""
