"""Hooks of the documentation site: files that are not in docs/, for mkdocs (make site)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

# Page -> title and packages, whose public names (`__all__`) are described from their docstrings; then functions that
# have the name of their module.
REFERENCE = {
    "layers": ("Layers and operations", ["layers", "ops", "testing"]),
    "features": ("Audio and features", ["audio", "features"]),
    "models": ("Models, training, export", ["config", "models", "training", "export"]),
    "data": ("Corpora and data", ["corpora", "data"]),
    "decoding": ("Decoding and language models", ["decoding", "language_models"]),
    "scoring": (
        "Scoring",
        [
            "scoring",
            "scoring.phone_error_rate.phone_error_rate",
            "scoring.feature_error_rate.feature_error_rate",
        ],
    ),
}


def on_files(files: Any, config: Any) -> Any:
    """Add CONTRIBUTING.md, the notebooks and the pages of the reference."""
    root = Path(config.config_file_path).parent
    for path in [root / "CONTRIBUTING.md", *sorted((root / "notebooks").glob("*.ipynb"))]:
        name = path.relative_to(root).as_posix()
        files.append(File.generated(config, name, content=path.read_text(encoding="utf-8")))
    for name, (title, packages) in REFERENCE.items():
        blocks = "\n\n".join(f"::: cnn_mellin.{package}" for package in packages)
        files.append(File.generated(config, f"reference/{name}.md", content=f"# {title}\n\n{blocks}\n"))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files beside docs/ point to their pages on the site."""
    if page.file.src_uri == "index.md":
        markdown = markdown.replace("](../", "](")
    return markdown.replace("](docs/", "](")
