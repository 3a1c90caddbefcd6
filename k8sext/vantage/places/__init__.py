"""The vantages: one class per file, found by the registry. What they need is loaded late."""
