"""Where a probe looks from: one file each."""
