"""Wire probes, one file per middleware. POD-SAFE: standard library, k8sext.model, k8sext.agent."""
