"""Where a probe looks from (`places/`), and what these have in common: the Job, its pod, its log."""
