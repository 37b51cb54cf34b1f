"""Loading: files become the model, or every fault of them with its place.

Owns YAML, playbooks, parameters, inventories, the JSON Schema and the skeleton. Where files are looked for and
whether they are trusted belongs to the session.
"""
