"""What a newcomer mistypes ends with one sentence that says what to do, and a status that is not 0."""

from __future__ import annotations

from pathlib import Path

import pytest

import trapbench
from trapbench import cli

MISTAKES = {
    "lst": "unknown command 'lst'; did you mean list or plot?",
    "run --tecnique bt": "Did you mean '--technique'?",
    "run --technique btt": "unknown technique 'btt'; did you mean bt?",
    "run --workload nano/pgfalt": "did you mean nano/pgfault",
    "run --workload missing.asm": "there is no file 'missing.asm'",
    "run --workload nano/in --size tiny": "known: large, small, standard",
    "run --workload nano/in --geometry nehalm": "did you mean nehalem?",
    "run --workload nano/in --set shadow.polcy=trace": "did you mean shadow.policy",
    "run --workload nano/in --set shadow.policy=fast": "takes one of trace, virtual-tlb, unsync",
    "run --workload nano/in --set shadow.policy": "not of the form KNOB=VALUE",
    "run --workload nano/in --io passtrough": "did you mean passthrough?",
    "run --workload nano/in --jobs 0": "0 is not in the range",
    "run --workload nano/in --sweep iterations=a..b*2": "'a' is not a number such as 4096",
    "run --workload nano/in --sweep footprint=1..2": "unknown knob or parameter 'footprint'; known: beside, ",
    "run --resume --out nowhere": "there is nothing to resume: nowhere does not exist",
    "run --resume": "run `trapbench run` first",
    "run --kernel nope": "nope cannot be read",
    "run --initrd x": "go with a --kernel",
    "show nowhere": "nowhere",
    "show first --preset prescot": "known are merom",
    "show first --by colour": "is not one of 'component'",
    "show first --workload kernel/pipe": "first holds no cell of kernel/pipe; it holds nano/in",
    "show first --technique hvm": "first holds no cell of hvm; it holds hvm-ept, native",
    "plot first --format gif": "is not one of 'png', 'svg'",
    "plot first --preset x.toml": "x.toml cannot be read",
    "diff": "Missing argument 'LEFT'",
    "diff first": "run `trapbench run` first",
    "crossover first --vary vmx.roundtrip": "did you mean vmx.round_trip?",
    "crossover first --vary vmx.round_trip --between bt bt": "two different techniques",
    "crossover first --vary vmx.round_trip --between bt pv": "first holds no cell of bt",
    "trace nano/in": "Known: native, bt, ",
    "disasm nano/in": "Known: native, bt, ",
    "advise first": "`system-calls = 50_000` on the next",
    "advise first --profile nofile.toml": "nofile.toml cannot be read",
    "merge both": "Missing argument 'FOLDERS...'",
    "merge first first": "name a new folder",
    "sensitivity first --between bt hvm-ept": "no cell bt × nano/in",
    "sensitivity first --top -3": "-3 is not in the range",
    "compare-host first/manifest.json first": "neither a report of perf kvm stat",
    "fetch windows": "'windows' is not 'linux'",
    "list technique": "is not one of 'techniques'",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("newcomer")
    trapbench.run(["hvm-ept"], ["nano/in"], jobs=1, out=place / "first")
    return place


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_sentence_that_helps(
    typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        "trapbench.worker_pool.Worker", lambda entry: None
    )  # which none of them needs
    assert cli.invoke(typed.split()) == cli.EXIT_USER_ERROR
    printed = capfd.readouterr()
    assert MISTAKES[typed] in printed.err
    assert printed.out == ""
    assert printed.err.startswith("trapbench: ") and printed.err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["first"]


def test_a_profile_tells_every_workload_that_it_lacks(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text("[rates]\nsystem-calls = 5\npage-faults = 5\n[exits]\nHLT = 1\n")
    assert cli.invoke(["advise", str(folder / "first"), "--profile", str(profile)]) == 2
    wanted = "--workload kernel/null-call --workload kernel/page-fault --workload exit/hlt-timer"
    assert f"run `trapbench run {wanted}`" in capfd.readouterr().err
