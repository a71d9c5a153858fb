"""What is translated, how often, and what the cache saves the VMM."""

from __future__ import annotations

LOOP = "mov ecx, 1000\nnext:\nadd rax, rcx\nloop next\n"
CALLS = "mov ecx, 500\nnext:\ncall function\nloop next\njmp over\nfunction:\ninc rbx\nret\nover:\n"


def bt(run, name: str) -> int:
    return run.counters[f"bt.{name}"]


def test_a_loop_is_translated_once_and_then_runs_without_the_vmm(translated):
    run, vmm = translated(LOOP)
    assert bt(run, "unit") == sum(len(space.units) for space in vmm.cache.spaces)
    assert bt(run, "invalidated") == 0
    assert run.counters["traps"] <= 1


def test_calls_and_returns_stay_in_the_cache_after_the_first(translated):
    run, _ = translated(CALLS)
    assert bt(run, "callout.miss") == 1
    assert bt(run, "lookup.filled") == 1


def test_the_stack_holds_guest_return_addresses(translated):
    run, _ = translated("call here\nhere:\npop rax\n")
    assert run.gpr("rax") == 0 or run.gpr("rax") >> 32 == 0xFFFFFFFF


def test_cli_sti_pushf_and_popf_do_not_call_out(translated):
    body = "mov ecx, 100\nnext:\ncli\nsti\npushfq\npopfq\npushfq\npop rbx\nloop next\ncli\n"
    run, _ = translated(body)
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate")
    assert bt(run, "callout.window") == 0


def test_cr8_writes_do_not_call_out_while_nothing_waits(translated):
    run, _ = translated("mov ecx, 100\nnext:\nmov rax, 3\nmov cr8, rax\nmov rbx, cr8\nloop next\n")
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate")


def test_an_illegal_cr8_write_faults_with_the_guests_flags(translated):
    run, _ = translated("xor eax, eax\nstc\nmov eax, 16\n?mov cr8, rax\n")
    assert (run.records[0].vector, run.records[0].error) == (13, 0)
    assert run.records[0].rflags & 0x45 == 0x45  # CF, PF and ZF of XOR and STC


def test_code_beside_data_is_invalidated_only_when_it_is_overwritten(translated):
    run, _ = translated(
        "mov ecx, 50\nnext:\nadd [rip + word], rcx\nloop next\njmp over\nword: .quad 0\nover:\n"
    )
    assert bt(run, "invalidated") == 0


def test_code_that_overwrites_itself_is_translated_again(translated):
    body = (
        "mov ecx, 20\nnext:\nmov byte ptr [rip + patched + 1], cl\npatched:\nmov al, 0\n"
        "add rbx, rax\nloop next\n"
    )
    run, _ = translated(body)
    assert bt(run, "invalidated") >= 20


def test_a_store_that_the_emulator_does_not_know_overwrites_code_all_the_same(translated):
    body = (
        "lea rsi, [rip + other]\nmovups xmm0, [rsi]\nlea rdi, [rip + target]\nmovups [rdi], xmm0\n"
        "target:\n.byte 0xb8,1,0,0,0,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90\njmp over\n"
        "other:\n.byte 0xb8,2,0,0,0,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90,0x90\nover:\nmov rbx, rax\n"
    )
    run, _ = translated(body)
    assert run.gpr("rbx") == 2


def test_a_full_cache_is_emptied_and_filled_again(translated):
    body = "\n".join(f"jmp l{n}\nl{n}:\nadd rax, {n}" for n in range(400))
    run, _ = translated(body, {"bt.cache-kib": 16})
    assert bt(run, "flush") >= 1


def test_device_accesses_stop_faulting(translated):
    body = "mov rbx, APIC\nmov ecx, 100\nnext:\nmov dword ptr [rbx + 0x80], 0\nmov eax, [rbx + 0x20]\nloop next\n"
    adaptive, _ = translated(body)
    faulting, _ = translated(body, {"bt.adaptive": False})
    assert faulting.counters["mmu.pf_mmio"] == 200
    assert bt(adaptive, "adapted") == 2
    assert adaptive.counters["mmu.pf_mmio"] == 10
    assert bt(adaptive, "callout.traced") == 190


def test_single_stepping_stops_behind_each_instruction_of_the_guest_not_of_its_translation(
    translated,
):
    body = (
        "pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\npushfq\npop rbx\ncall function\njmp over\n"
        "function:\nret\nover:\npushfq\nand dword ptr [rsp], 0xfffffeff\npopfq\nnop\n"
    )
    run, _ = translated(body)
    assert run.vectors == [1] * 9


def test_in_from_a_port_without_side_effects_calls_out_once(translated):
    body = "xor eax, eax\nmov ecx, 200\nnext:\nin al, 0x80\nadd rbx, rax\nmov edx, 0x3fd\nin al, dx\nadd rbx, rax\nloop next\n"
    run, _ = translated(body)
    plain, _ = translated("cli\n")
    assert run.gpr("rbx") == 200 * (0xFF + 0x60)
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate") + 2


def test_in_sees_what_a_device_has_become_since_the_last_in(translated):
    body = (
        "mov edx, 0x3ff\nmov ecx, 100\nnext:\nmov eax, ecx\nout dx, al\nxor eax, eax\nin al, dx\n"
        "add rbx, rax\nloop next\n"
    )
    run, _ = translated(body)
    plain, _ = translated("cli\n")
    assert run.gpr("rbx") == sum(range(1, 101))
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate") + 100 + 1


def test_in_from_a_port_whose_reading_has_an_effect_always_calls_out(translated):
    body = "mov edx, 0x3fa\nmov ecx, 50\nnext:\nin al, dx\nloop next\n"
    run, _ = translated(body)
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate") + 50


def test_instructions_that_show_the_virtual_cpu_do_not_call_out(translated):
    shown = (
        "sgdt [rbp]\nsidt [rbp + 16]\nsgdt [rip + table]\nstr eax\nsldt rax\nsmsw rax\nsmsw eax\nsmsw ax\n"
        "str word ptr [rbp + 32]\nsldt word ptr [rbp + 40]\nsmsw word ptr [rbp + 48]\nstr r9w\nmov rax, cr3\n"
    )
    body = (
        f"mov rbp, DATA\nmov ecx, 20\nnext:\n{shown}loop next\njmp over\ntable: .quad 0, 0\nover:\n"
    )
    run, _ = translated(body)
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate")


def test_a_table_register_that_does_not_fit_the_page_faults_behind_its_limit(translated):
    run, _ = translated("mov rbp, 0x600ffe\n?sgdt [rbp]\n")
    assert (run.records[0].vector, run.records[0].cr2) == (14, 0x601000)


def test_what_ran_translated_is_counted_beside_what_it_stands_for(translated):
    run, _ = translated(CALLS)
    counts = run.counters
    assert (
        bt(run, "instruction.retired") == counts["instructions"] - counts["instructions.emulated"]
    )
    assert counts["insn.ret"] == counts["insn.call"] == counts["instructions.user"] == 0
    assert bt(run, "lookup") == 500
    classes = sum(n for name, n in counts.items() if name.startswith("insn."))
    assert bt(run, "instruction.executed") == classes > bt(run, "instruction.retired")


def test_a_frame_that_is_written_again_and_again_is_let_go_ever_more_patiently(translated):
    body = "mov ecx, 500\nnext:\nadd [rip + word], rcx\nloop next\njmp over\nword: .quad 0\nover:\n"
    run, _ = translated(body)
    assert bt(run, "frame.released") == 3
    assert run.counters["instructions.emulated"] >= 64 + 128 + 256


IRET = (
    "mov ecx, 100\nnext:\nmov rax, ss\nmov rbx, rsp\npush rax\npush rbx\npush {flags}\npush 8\n"
    "lea rax, [rip + on]\npush rax\niretq\nud2\non:\nloop next\ncli\n"
)


def test_iret_within_the_kernel_does_not_call_out(translated):
    run, _ = translated(IRET.format(flags=0x202))
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate")


def test_iret_that_sets_iopl_calls_out(translated):
    run, _ = translated(IRET.format(flags=0x1002))
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate") + 100


def test_iret_with_the_nested_task_flag_faults(translated):
    body = IRET.replace("iretq\nud2", "?iretq\nadd rsp, 40").format(flags=2)
    run, _ = translated("push 0x4002\npopfq\n" + body.replace("100", "1") + "push 2\npopfq\n")
    assert (run.records[0].vector, run.records[0].error) == (13, 0)


TWO_ROOTS = (
    "mov rsi, 0xffffffff80130000\nmov rdi, 0xffffffff80300000\nmov rbp, rdi\nmov ecx, 512\nrep movsq\n"
    "mov rsi, [rbp + 0xff8]\nand rsi, -4096\nlea rsi, [rsi + 0xffffffff80000000]\nmov ecx, 512\nrep movsq\n"
    "mov qword ptr [rbp + 0xff8], 0x301023\nmov ecx, 50\nnext:\nmov eax, 0x300000\nmov cr3, rax\nadd rbx, 1\n"
    "mov eax, 0x130000\nmov cr3, rax\nloop next\n"
)


def test_roots_that_map_the_code_differently_keep_their_units_when_the_kernel_switches(translated):
    run, vmm = translated(TWO_ROOTS)
    assert bt(run, "space.switch") == 1 + 100  # the boot tables are a space of their own
    assert bt(run, "invalidated") == 0
    assert len(vmm.cache.spaces) == 3 and all(space.units for space in vmm.cache.spaces)


def test_the_root_that_was_used_longest_ago_makes_room_for_a_fifth(translated):
    switches = "".join(
        f"mov rdi, {0xFFFFFFFF80300000 + n * 0x2000:#x}\nmov rbp, rdi\nmov rsi, 0xffffffff80130000\nmov ecx, 512\n"
        f"rep movsq\nmov rsi, [rbp + 0xff8]\nand rsi, -4096\nlea rsi, [rsi + 0xffffffff80000000]\nmov ecx, 512\n"
        f"rep movsq\nmov qword ptr [rbp + 0xff8], {0x301023 + n * 0x2000:#x}\nmov eax, {0x300000 + n * 0x2000:#x}\n"
        "mov cr3, rax\n"
        for n in range(6)
    )
    run, vmm = translated(switches + "mov eax, 0x130000\nmov cr3, rax\n")
    assert bt(run, "space.switch") == 1 + 7
    assert bt(run, "invalidated.remap") > 0 and len(vmm.cache.spaces) == 4


def test_stac_and_clac_change_ac_alone_without_a_callout(translated):
    shown = "pushfq\npop rdx\nadd rbx, rdx\nlea rbx, [rbx + 2*rbx]\n"
    body = (
        f"mov ecx, 20\nnext:\nstc\nstac\n{shown}xor eax, eax\nclac\n{shown}clac\n{shown}loop next\n"
    )
    run, _ = translated(body)
    plain, _ = translated("cli\n")
    assert bt(run, "callout.emulate") == bt(plain, "callout.emulate")


def test_mov_to_cr2_is_seen_by_the_guest_and_by_the_vmm(translated):
    body = "mov rax, 0x123456789\nmov cr2, rax\nmov rbx, cr2\nmov ecx, 0x1b\nrdmsr\nmov rsi, cr2\n"
    run, _ = translated(body + "mov r9, 5\nmov cr2, r9\nwbinvd\nmov rdi, cr2\n")
    assert run.gpr("rdi") == 5


def test_rdtscp_shows_the_tsc_aux_that_the_guest_wrote(translated):
    run, _ = translated(
        "mov ecx, 0xc0000103\nmov eax, 7\nxor edx, edx\nwrmsr\nxor ecx, ecx\nrdtscp\nmov rbx, rcx\n"
    )
    assert run.gpr("rbx") == 7


def exits(run) -> int:
    return bt(run, "exit.chained") + bt(run, "exit.unchained")


def test_exits_are_counted_as_they_are_taken_not_as_they_are_linked(translated):
    run, _ = translated(LOOP)
    plain, _ = translated("mov ecx, 1000\n")
    assert exits(run) - exits(plain) == 1000  # each round is left by LOOP
    assert bt(run, "exit.unchained") == bt(run, "callout.link")
    assert bt(run, "link.made") - bt(plain, "link.made") <= 3


def test_a_conditional_jump_is_one_exit_taken_or_not(translated):
    body = "mov ecx, 600\nnext:\ntest cl, 1\njz even\ninc rbx\neven:\ndec ecx\njnz next\n"
    run, _ = translated(body)
    plain, _ = translated("mov ecx, 600\n")
    assert exits(run) - exits(plain) == 2 * 600
