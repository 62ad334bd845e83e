"""Settings: dataclasses, and their INI, JSON and YAML forms."""
