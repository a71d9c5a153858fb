#: title = "Interrupt storm"
#: stresses = "an interrupt for every small frame, while the processor computes"
#: outcome = "result 0 counts frames, 1 adds their bytes; how often the loop went round is not recorded"
#: needs = ["devices"]
#: slots = ["frames", "bytes"]
#: small = { frames = 256, gap = 2000, moderation = 0 }
#: standard = { frames = 2048, gap = 2000, moderation = 0 }
#: large = { frames = 16384, gap = 2000, moderation = 0 }
#: variants = { "moderated" = { moderation = 80 } }

# Frames of 64 bytes come every `gap` ns. The interrupt handler takes them out; the loop runs with interrupts on.

@kernel
workload_main:
    push rbx
    call initialise_devices
    jnz .failed
    lea rax, [rip + trap_handlers + VECTOR_NETWORK * 8]
    mov rcx, [rax]
    mov [rip + driver_handler], rcx
    lea rcx, [rip + take_frames]
    mov [rax], rcx
    mov edi, [rip + parameters + PARAM_FRAMES * 8]
    mov esi, 64
    mov rdx, [rip + parameters + PARAM_GAP * 8]
    mov ecx, 1
    ROI_BEGIN
    call station_request_traffic
    mov rbx, [rip + parameters + PARAM_FRAMES * 8]
    pv_irq_enable
.next:
    cmp [rip + result], rbx
    jb .next
    pv_irq_disable
    ROI_END
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop rbx
    ret

take_frames:
    push rbx
    call [rip + driver_handler]
    xor ebx, ebx
.next:
    call network_receive
    test rax, rax
    jz .none
    inc qword ptr [rip + result]
    add [rip + result + 8], rdx
    inc ebx
    jmp .next
.none:
    mov edi, ebx
    test edi, edi
    jz .done
    call network_release
.done:
    pop rbx
    ret

@kernel_data
driver_handler: .quad 0
