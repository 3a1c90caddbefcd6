"""Where a probe looks from (`places/`), and what places have in common: Job, pod, log."""
