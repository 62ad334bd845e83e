"""Whole experiments as steps: plan, executors, records and status.

Its modules are imported by name, for example `cnn_mellin.recipe.run.run_recipe`.
"""

__all__: list[str] = []
