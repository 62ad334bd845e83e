"""Tables, figures and pages of results.

Its modules are imported by name, for example `cnn_mellin.report.recipe_report.write_report`.
"""

__all__: list[str] = []
