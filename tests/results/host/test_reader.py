"""What a host reports is read by its own names."""

from __future__ import annotations

import struct
from contextlib import suppress
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("", "is neither a report of perf kvm stat nor KVM's statistics"),
        ("hello\nworld\n", "is neither a report"),
        ("name,value\nexits,many\n", "row 2: 'many' is no whole number"),
        ("name,value\nexits\n", "row 2: there is no column 2"),
    ],
)
def test_anything_else_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ResultsError, match=sentence):
        reader.read(file(tmp_path, text))


PERF_LIVE = """\
10:41:27.573212

Analyze events for pid(s) 4242, VCPU 0:

             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time

           MSR_WRITE         30    75.00%    60.00%      0.55us      7.01us      1.00us ( +-   3.30% )
  PREEMPTION_TIMER            10    25.00%    40.00%      0.71us      3.52us      2.00us ( +-   4.54% )

Total Samples:40, Total events handled time:50.00us.

10:41:28.573310

Analyze events for pid(s) 4242, VCPU 0:

             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time

           MSR_WRITE         10   100.00%   100.00%      0.55us      7.01us      2.00us ( +-   3.30% )

Total Samples:10, Total events handled time:20.00us.


Lost events: 3

"""


def test_the_blocks_of_a_live_report_are_added_up_and_times_averaged(tmp_path: Path) -> None:
    assert reader.read(file(tmp_path, PERF_LIVE)) == [
        reader.HostCount("MSR_WRITE", 40, 1.25),
        reader.HostCount("PREEMPTION_TIMER", 10, 2.0),
    ]


def test_a_report_of_addresses_is_refused_with_what_to_do(tmp_path: Path) -> None:
    text = PERF.replace("             VM-EXIT", "         MMIO Access").replace(
        "HLT", "0xfee00300:W"
    )
    with pytest.raises(ResultsError, match=r"report of MMIO Access: .* --event=vmexit"):
        reader.read(file(tmp_path, text))


def counts(tmp_path: Path, text: str) -> dict[str, int]:
    return {item.name: item.count for item in reader.read(file(tmp_path, text))}


def test_a_csv_log_of_kvm_stat_begins_with_a_time_stamp_in_small_letters(tmp_path: Path) -> None:
    text = (
        "timestamp,kvm_entry,kvm_exit,kvm_exit(EPT_VIOLATION)\n"
        "2026-01-05 17:20:11,1201,1200,7\n"
        "2026-01-05 17:20:12,800,801,0\n"
    )
    assert counts(tmp_path, text) == {
        "kvm_entry": 2001,
        "kvm_exit": 2001,
        "kvm_exit(EPT_VIOLATION)": 7,
    }


def test_a_log_of_kvm_stat_in_columns_repeats_its_names(tmp_path: Path) -> None:
    banner = "exits halt_exits insn_emulation \n"
    rows = "2026-01-05 17:20:11      1201        14         3\n" * 2
    assert counts(tmp_path, banner + rows + banner + rows) == {
        "exits": 4804,
        "halt_exits": 56,
        "insn_emulation": 12,
    }


def test_older_logs_of_kvm_stat_have_no_time_stamps(tmp_path: Path) -> None:
    text = "exits halt_exits \n       1201         14 \n        800          2 \n"
    assert counts(tmp_path, text) == {"exits": 2001, "halt_exits": 16}


def test_a_row_without_a_name_for_each_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="row 2: 3 numbers for 2 names"):
        reader.read(file(tmp_path, "exits halt_exits \n 1 2 3\n"))


def test_one_look_of_kvm_stat_gives_totals(tmp_path: Path) -> None:
    text = "".join(
        "%-42s%10d%10d\n" % row  # noqa: UP031 - as kvm_stat prints it
        for row in (("kvm_exit", 52369, 812), ("kvm_exit(HLT)", 1204, 60))
    )
    assert counts(tmp_path, text) == {"kvm_exit": 52369, "kvm_exit(HLT)": 1204}


def test_qemus_monitor_tells_statistics_of_each_processor(tmp_path: Path) -> None:
    text = """\
provider: kvm
    exits (cumulative): 52369
    halt_wait_ns (cumulative nanoseconds): 416092704390
    guest_mode (instant boolean): 0
provider: kvm
    exits (cumulative): 31
"""
    assert counts(tmp_path, text) == {"exits": 52400, "halt_wait_ns": 416092704390, "guest_mode": 0}


def test_qmp_answers_in_json(tmp_path: Path) -> None:
    text = """{"return": [{"provider": "kvm", "qom-path": "/machine/unattached/device[0]", "stats": [
    {"name": "exits", "value": 52369}, {"name": "guest_mode", "value": false},
    {"name": "halt_wait_hist", "value": [4, 8, 1]}]}]}"""
    assert counts(tmp_path, text) == {"exits": 52369}


def test_virsh_tells_sums_of_each_processor(tmp_path: Path) -> None:
    text = """\
Domain: 'guest'
  vcpu.current=2
  vcpu.0.state=1
  vcpu.0.exits.sum=100
  vcpu.0.guest_mode.cur=no
  vcpu.1.exits.sum=11
  vm.remote_tlb_flush.sum=436
"""
    assert counts(tmp_path, text) == {"exits": 111, "remote_tlb_flush": 436}


def test_debugfs_is_read_through_grep(tmp_path: Path) -> None:
    text = "/sys/kernel/debug/kvm/exits:52369\n/sys/kernel/debug/kvm/4242-12/pf_fixed:7\n"
    assert counts(tmp_path, text) == {"exits": 52369, "pf_fixed": 7}


def binary(*statistics: tuple[str, int, tuple[int, ...]]) -> bytes:
    """A file of KVM_GET_STATS_FD: (name, flags, values) each."""
    name_size, identity = 48, 24
    descriptors = identity + name_size
    data = descriptors + len(statistics) * (16 + name_size)
    header = struct.pack("<6I", 0, name_size, len(statistics), identity, descriptors, data)
    described, values = b"", b""
    for name, flags, numbers in statistics:
        described += struct.pack("<IhHII", flags, 0, len(numbers), len(values), 0)
        described += name.encode().ljust(name_size, b"\0")
        values += struct.pack(f"<{len(numbers)}Q", *numbers)
    return header + b"kvm-4242/vcpu-0".ljust(name_size, b"\0") + described + values


STATISTICS = binary(
    ("exits", 0, (2**40,)), ("halt_wait_hist", 4, tuple(range(32))), ("pf_fixed", 0, (7,))
)


def test_binary_statistics_are_read_as_the_kernel_lays_them_out(tmp_path: Path) -> None:
    path = tmp_path / "stats"
    path.write_bytes(STATISTICS)
    found = {item.name: item.count for item in reader.read(path)}
    assert found == {"exits": 2**40, "pf_fixed": 7}


@given(cut=st.integers(0, len(STATISTICS) - 1), noise=st.binary(max_size=40))
def test_broken_files_are_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("host") / "stats"
    path.write_bytes(STATISTICS[:cut] + noise)
    with suppress(ResultsError):
        reader.read(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be read: No such file"):
        reader.read(tmp_path / "none")
