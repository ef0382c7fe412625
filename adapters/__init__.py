"""Adapters: one runtime each. They import the runtime protocol of conformance, and never the model."""
