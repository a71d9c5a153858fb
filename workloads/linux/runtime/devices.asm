# What programs need that use a disk or a network card: /dev filled by the kernel, and its drivers, which are modules in
# the ramdisk's folder /modules, named 00, 01 and so on in the order in which they need each other. A driver without
# its device is content, or refuses to load; both are alright.

.set SYS_OPEN, 2
.set SYS_CLOSE, 3
.set SYS_PREAD, 17
.set SYS_PWRITE, 18
.set SYS_NANOSLEEP, 35
.set SYS_SOCKET, 41
.set SYS_SENDTO, 44
.set SYS_RECVFROM, 45
.set SYS_BIND, 49
.set SYS_SETSOCKOPT, 54
.set SYS_MOUNT, 165
.set SYS_FINIT_MODULE, 313

.set ENOENT, 2
.set O_RDWR, 2
.set O_DIRECT, 0x4000
.set PATIENCE, 2000                 # times that a device is waited for, a millisecond each

@user
start_devices:
    lea rdi, [rip + devtmpfs]
    lea rsi, [rip + dev]
    lea rdx, [rip + devtmpfs]
    xor r10d, r10d
    xor r8d, r8d
    mov eax, SYS_MOUNT
    syscall
    test rax, rax
    js failed
next_module:
    lea rdi, [rip + module]
    xor esi, esi
    mov eax, SYS_OPEN
    syscall
    cmp rax, -ENOENT
    je modules_loaded
    test rax, rax
    js failed
    mov rbx, rax
    mov rdi, rax
    lea rsi, [rip + module_options]
    xor edx, edx
    mov eax, SYS_FINIT_MODULE
    syscall
    mov rdi, rbx
    mov eax, SYS_CLOSE
    syscall
    inc byte ptr [rip + module_units]
    cmp byte ptr [rip + module_units], '9'
    jbe next_module
    mov byte ptr [rip + module_units], '0'
    inc byte ptr [rip + module_tens]
    jmp next_module
modules_loaded:
    ret

# Sleeps for a millisecond of R15 = PATIENCE of them, the run fails when they are over.
wait_for_device:
    dec r15
    mov eax, -ENOENT
    js failed
    lea rdi, [rip + millisecond]
    xor esi, esi
    mov eax, SYS_NANOSLEEP
    syscall
    ret

@user_data
.align 8
millisecond: .quad 0, 1000000
devtmpfs: .asciz "devtmpfs"
dev: .asciz "/dev"
module: .ascii "/modules/"
module_tens: .ascii "0"
module_units: .ascii "0"
module_options: .byte 0
