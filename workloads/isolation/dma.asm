#: title = "DMA out of bounds"
#: stresses = "a driver that makes its device reach for memory that is not its guest's"
#: outcome = "nothing: whether an attack succeeded shows in the counters and in the victim, not here"
#: small = { command = 1, place = 0, length = 64, warm = 0, request = 0, data = 0 }
#: standard = { command = 1, place = 0, length = 64, warm = 0, request = 0, data = 0 }
#: large = { command = 1, place = 0, length = 64, warm = 0, request = 0, data = 0 }
#: needs = ["copy engine"]
#: variants.write = { command = 2 }
#: variants.vmm = { command = 2 }
#: variants.across-page = { command = 2, place = 1, length = 16 }
#: variants.after-unmap = { command = 2, place = 2, request = 1 }
#: variants.stale = { command = 2, place = 2, warm = 1, request = 1 }
#: variants.after-reassignment = { command = 2, place = 2, warm = 1, request = 2 }
#: variants.interrupt = { command = 3, place = 3, data = 0xef }
#: variants.interrupt-index = { command = 3 }

# The engine's ports are hardware_model/devices/copy_engine.py's. Natively there is no engine: reads give ones, writes
# vanish. A ported guest uses them as they are, for Xen has granted it the ports.
.set ENGINE, 0x5a0
.set ENGINE_LENGTH, ENGINE + 0x08
.set ENGINE_COMMAND, ENGINE + 0x0c
.set ENGINE_DATA, ENGINE + 0x14
.set ENGINE_TARGET, ENGINE + 0x18
.set ENGINE_BASE, ENGINE + 0x20
.set HOST_REQUEST, 0x5d0
.set MESSAGE_ADDRESS, 0xfee00000
.set PLACE_OWN_END, 1
.set PLACE_BUFFER, 2
.set PLACE_MESSAGE, 3

@kernel
workload_main:
    push rbx
    mov rbx, rdi
    ROI_BEGIN
    cmp qword ptr [rbx + PARAM_WARM * 8], 0
    je .cold
    call buffer_address             # an access that is in order: a translation to go stale
    mov ecx, 1
    call engine_do
.cold:
    mov rax, [rbx + PARAM_REQUEST * 8]
    test eax, eax
    jz .asked
    granted_out HOST_REQUEST
.asked:
    mov rax, [rbx + PARAM_DATA * 8]
    granted_out ENGINE_DATA
    mov rax, [rbx + PARAM_PLACE * 8]
    cmp eax, PLACE_MESSAGE
    je .message
    cmp eax, PLACE_BUFFER
    je .buffer
    cmp eax, PLACE_OWN_END
    je .own_end
    mov ecx, ENGINE_TARGET
    call wide_register
    mov rsi, rax
    jmp .fire
.message:
    mov esi, MESSAGE_ADDRESS
    jmp .fire
.buffer:
    call buffer_address
    jmp .fire
.own_end:
    mov ecx, ENGINE_BASE
    call wide_register
    mov rsi, rax
    add rsi, [rip + ram_bytes]
    sub rsi, 8
.fire:
    mov ecx, [rbx + PARAM_COMMAND * 8]
    call engine_do
    ROI_END
    pop rbx
    .irp register, ecx, edx, esi, edi, r8d, eax
    xor \register, \register
    .endr
    ret

# -> RSI = the buffer's address for DMA
buffer_address:
    mov ecx, ENGINE_BASE
    call wide_register
    lea rsi, [rip + dma_buffer]
    mov rcx, KERNEL_BASE
    sub rsi, rcx
    add rsi, rax
    ret

# ECX = port -> RAX = its 64-bit register
wide_register:
    granted_in ecx
    mov r8d, eax
    lea ecx, [rcx + 4]
    granted_in ecx
    shl rax, 32
    or rax, r8
    ret

# ECX = command, RSI = address
engine_do:
    mov eax, esi
    granted_out ENGINE
    mov rax, rsi
    shr rax, 32
    granted_out ENGINE + 4
    mov rax, [rbx + PARAM_LENGTH * 8]
    granted_out ENGINE_LENGTH
    mov eax, ecx
    granted_out ENGINE_COMMAND
    ret

@kernel_data
.align 4096
dma_buffer: .zero 4096
