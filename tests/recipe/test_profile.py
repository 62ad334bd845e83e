import pytest

from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe.executors.local import LocalMachine
from cnn_mellin.recipe.profile import read_profile


def test_the_local_profile_runs_one_step_per_core(tmp_path):
    profile = read_profile("local")
    assert profile.num_jobs(3) == 3
    assert isinstance(profile.machine(tmp_path, "cpu"), LocalMachine)


def test_the_slurm_profile_asks_for_gpus_only_where_they_are_used(tmp_path, monkeypatch):
    for name in ("sbatch", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    profile = read_profile("slurm")
    assert profile.num_jobs(3) == 100
    assert "--requeue" in profile.options
    assert any(option.startswith("--time=") for option in profile.stages["train"])
    assert profile.machine(tmp_path, "cuda")._gpu_options == ("--gres=gpu:1",)  # type: ignore[attr-defined]
    assert profile.machine(tmp_path, "cpu")._gpu_options == ()  # type: ignore[attr-defined]


def test_without_sbatch_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="there is no sbatch here; start the recipe on a login node"):
        read_profile("slurm").machine(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("machine: sge", "machine is 'sge'; it must be local or slurm"),
        ("job: 3", "job is not a setting of a profile; did you mean 'jobs'"),
        ("jobs: many", "jobs is 'many'; see the profile slurm"),
        ("arrays: 1", "arrays is 1; see the profile slurm"),
        ("jobs: true", "jobs is True; see the profile slurm"),
        ("jobs: 0", "jobs is 0; it must be above 0"),
        ("stages: {trian: []}", "stages: trian is not a stage; did you mean 'train'"),
        ("stages: {train: x}", "stages: train must be a list of sbatch options"),
        ("poll_s: .nan", "poll_s is nan; it must be above 0, and finite"),
        ("options: [--mem=8G, --job-name=x]", "options: --job-name=x: the recipe sets it for each job; leave it out"),
        ("gpu_options: [--error, e.log]", "gpu_options: --error: the recipe sets it for each job"),
        ("options: [-Jx]", "options: -Jx: the recipe sets it for each job"),
        ("stages: {train: [-a, 0-3]}", "stages: train: -a: the recipe sets it for each job"),
        ("options: [null]", "options: None is not an sbatch option; it must be text, such as --mem=8G"),
        ("options: [[--mem=8G]]", "is not an sbatch option"),
        ("options: &a [--mem=8G]\ngpu_options: *a", r"p.yaml:2: alias \*a: aliases are not allowed"),
        ("options: " + "[" * 600, "is nested too deeply|is not YAML"),
        ("- a", "must hold names and values"),
        ("a: [", "is not YAML"),
    ],
)
def test_wrong_profiles_are_named(tmp_path, text, why):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=why):
        read_profile(str(path))


def test_a_profile_may_begin_with_a_byte_order_mark_and_must_be_text(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfmachine: slurm\r\noptions: [-p, gpu, --mem=8G, -A, phones]\r\n")
    assert read_profile(str(path)).options == ("-p", "gpu", "--mem=8G", "-A", "phones")
    path.write_bytes(b"machine: \xff")
    with pytest.raises(SettingsError, match=r"p.yaml:1: is not UTF-8 text \(byte 0xff\)"):
        read_profile(str(path))
    with pytest.raises(SettingsError, match="is not a file; it must be local, slurm"):
        read_profile(str(tmp_path))
