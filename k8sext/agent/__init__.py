"""What looks at a middleware, here or inside the probe pod. POD-SAFE: standard library only."""
