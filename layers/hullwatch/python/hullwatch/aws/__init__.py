"""Adapters at AWS's edge: nothing below this room knows an AWS client."""
