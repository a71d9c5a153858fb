# Copies between kernel and user memory.
#
# The only instructions of the kernel that touch user pages. With SMAP they run between STAC and CLAC. A
# page that is not there yet is faulted in as if the user had touched it; if the user may not touch it, the
# page-fault handler resumes at user_access_failed.

@kernel
# RDI = kernel address, RSI = user address, RDX = bytes -> RAX = 0 or -EFAULT
copy_from_user:
    mov rax, rsi
    jmp copy_checked
# RDI = user address, RSI = kernel address, RDX = bytes -> RAX = 0 or -EFAULT
copy_to_user:
    mov rax, rdi
copy_checked:
    add rax, rdx
    jc user_access_refused
    mov rcx, USER_END
    cmp rax, rcx
    ja user_access_refused
    pv_user_access_begin
user_access_start:
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
user_access_stop:
    pv_user_access_end
    xor eax, eax
    ret
user_access_failed:
    pv_user_access_end
user_access_refused:
    mov rax, -EFAULT
    ret

# RDI = user address, RSI = value of 64 bits -> RAX = 0 or -EFAULT
put_user:
    push rsi
    mov rsi, rsp
    mov edx, 8
    call copy_to_user
    pop rsi
    ret
