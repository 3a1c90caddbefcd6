"""Which workload uses which bridge: read off objects, pure."""
