"""Kubernetes clusters through their own API, with no client library."""
