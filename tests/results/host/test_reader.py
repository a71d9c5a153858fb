"""What a host reports is read by its own names."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import pytest

from results.errors import ResultsError
from results.host import reader

PERF = """\
Analyze events for all VMs, all VCPUs:

             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time

       EPT_VIOLATION       1200    60.00%    30.00%      0.51us     32.05us      1.91us ( +-   0.71% )
                 HLT        600    30.00%    69.00%      0.40us 980115.37us    523.21us ( +-   3.10% )
      IO_INSTRUCTION        200    10.00%     1.00%      2.40us     30.01us      4.50us ( +-   1.02% )

Total Samples:2000, Total events handled time:317118.00us.
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "host.txt"
    path.write_text(text, "utf-8")
    return path


def test_a_perf_report_gives_counts_and_mean_times(tmp_path: Path) -> None:
    found = {item.name: item for item in reader.read(file(tmp_path, PERF))}
    assert {name: item.count for name, item in found.items()} == {
        "EPT_VIOLATION": 1200,
        "HLT": 600,
        "IO_INSTRUCTION": 200,
    }
    assert found["IO_INSTRUCTION"].microseconds == 4.5


def test_an_older_perf_report_has_the_mean_time_only(tmp_path: Path) -> None:
    text = "VM-EXIT Samples Samples% Time% Avg time\n\nCPUID 7 100.00% 100.00% 1.25us ( +- 0.0% )\n"
    assert reader.read(file(tmp_path, text)) == [reader.HostCount("CPUID", 7, 1.25)]


def test_the_intervals_of_a_kvm_stat_log_are_added_up(tmp_path: Path) -> None:
    text = "Timestamp,kvm_exit,kvm_exit(HLT)\n2024-01-01 10:00:00,10,4\n2024-01-01 10:00:01,5,1\n"
    found = {item.name: item.count for item in reader.read(file(tmp_path, text))}
    assert found == {"kvm_exit": 15, "kvm_exit(HLT)": 5}


def test_statistics_have_a_name_and_a_value(tmp_path: Path) -> None:
    found = reader.read(file(tmp_path, "name,value\nexits,12\npf_fixed,3\n"))
    assert [(item.name, item.count) for item in found] == [("exits", 12), ("pf_fixed", 3)]
    assert isnan(found[0].microseconds)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is neither a report of perf kvm stat nor a CSV file of KVM statistics"),
        ("hello\nworld\n", "is neither a report"),
        ("name,value\nexits,many\n", "row 2: 'many' is no whole number"),
        ("name,value\nexits\n", "row 2: there is no column 2"),
    ],
)
def test_anything_else_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ResultsError, match=sentence):
        reader.read(file(tmp_path, text))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be read: No such file"):
        reader.read(tmp_path / "none")
