"""Batches from and to object stores, on one machine or on a cluster: see docs/cluster.md."""
