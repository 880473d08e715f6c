"""Images as registries and archives hold them: references, manifests, and sources of their bytes."""
