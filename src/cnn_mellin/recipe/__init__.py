"""Whole experiments as Snakemake workflows: plan, steps, records, jobs of a cluster, and status.

Its modules are imported by name. `corpus_recipe.run_corpus_recipe` runs a whole experiment, with options from
`corpus_recipe.recipe_options`.
"""

__all__: list[str] = []
