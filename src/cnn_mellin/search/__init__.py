"""Hyperparameter search by workers on any number of machines that share one database.

`hyperparameter_search.search_hyperparameters` searches by one call: `plan_search` creates a study, `run_search` runs
its trials as one of its workers, `read_best_settings` reads the result. All but plans of studies need the extra
`search`.
"""

__all__: list[str] = []
