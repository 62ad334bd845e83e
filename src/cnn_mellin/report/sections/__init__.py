"""Sections of the report of a recipe, each from the files in the recipe's folder; a section without files is empty."""

__all__: list[str] = []
