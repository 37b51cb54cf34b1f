"""A guest that cannot be imported."""

raise RuntimeError("the license of this guest has expired")
