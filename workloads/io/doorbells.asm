#: title = "Doorbells"
#: stresses = "telling a device that there is work, as often as the driver can, when there is none"
#: outcome = "result 0 is the number of times that the device was told"
#: needs = ["devices"]
#: slots = ["times"]
#: small = { iterations = 500 }
#: standard = { iterations = 5000 }
#: large = { iterations = 50000 }

# A driver that does not suppress notifications tells the device although nothing was queued: the tail register is
# stored to again. Where the interface lets a driver see that nothing is wanted, nothing is told.

@kernel
workload_main:
    push rbx
    call initialise_devices
    jnz .failed
    mov rbx, [rip + parameters + PARAM_ITERATIONS * 8]
    ROI_BEGIN
.next:
    call network_kick
    inc qword ptr [rip + result]
    dec rbx
    jnz .next
    ROI_END
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop rbx
    ret
