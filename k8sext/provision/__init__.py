"""From bridges.yaml or flags to objects in the cluster."""
