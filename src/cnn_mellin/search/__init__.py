"""Hyperparameter search by workers on any number of machines that share one database.

`new_study.plan_study` plans a study, `study.create_study` writes it to a `storage.StudyDatabase`, and
`worker.run_study` runs its trials, each a `trial_training.TrialTraining`. All but the plan need the extra `search`.
"""

__all__: list[str] = []
